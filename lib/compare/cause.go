package compare

import (
	"fmt"

	"cfs/lib/dumpfile"
	"cfs/lib/tree"
)

// Cause says in a few words what explains all differences, "" if no one thing does.
// Paths and names of xattrs are escaped as in dumpfiles.
func (s *Summary) Cause() string {
	format, trees := s.count(Format) > 0, s.total-s.count(Format)
	formats := "format " + s.a.Format + " against " + s.b.Format
	if trees == 0 {
		if !format {
			return ""
		}
		return formats + ", trees equal"
	}
	e := explanation{s, trees}
	for _, cause := range causes {
		if text := cause(e); text != "" && format {
			return formats + ", and " + text
		} else if text != "" {
			return text
		}
	}
	return ""
}

// explanation is what the causes are found from.
type explanation struct {
	*Summary
	trees int // differences of the trees, so not of the format
}

// causes are tried in turn.
var causes = []func(explanation) string{
	explanation.xattrs, explanation.form, explanation.times, explanation.owners, explanation.contents,
	explanation.hardlinks, explanation.others, explanation.names, explanation.place,
}

// only returns the tally of an attribute if the trees differ in no other.
func (e explanation) only(attribute string) *tally {
	if e.count(attribute) == e.trees {
		return e.tallies[attribute]
	}
	return nil
}

// xattrs explains differences of xattrs, best of those of one name.
func (e explanation) xattrs() string {
	t := e.only(Xattr)
	if t == nil {
		return ""
	}
	name := dumpfile.Escape(t.name.text)
	switch {
	case t.name.mixed && t.new.none == t.count:
		return number(t.count) + " xattrs of several names are missing in B"
	case t.name.mixed && t.old.none == t.count:
		return number(t.count) + " xattrs of several names are missing in A"
	case t.name.mixed:
		return "only xattrs differ (" + number(t.count) + ")"
	case t.new.none == t.count:
		return name + " is missing on " + entries(t.count) + " of B"
	case t.old.none == t.count:
		return name + " is missing on " + entries(t.count) + " of A"
	case t.old.none+t.new.none == 0:
		return "only values of " + name + " differ (" + entries(t.count) + ")" + t.uniform()
	}
	return "only " + name + " differs (" + entries(t.count) + ")"
}

// form explains what the canonical form of container images changes.
func (e explanation) form() string {
	a, b := tree.IsCanonical(e.a.Root), tree.IsCanonical(e.b.Root)
	what := "root as /usr, /run empty"
	if t := e.tallies[Xattr]; t != nil && t.count > t.root {
		what += ", few xattrs"
	}
	switch {
	case b && !a && e.canonical[1] == e.trees:
		return "B is in the canonical form of container images, A is not: " + what
	case a && !b && e.canonical[0] == e.trees:
		return "A is in the canonical form of container images, B is not: " + what
	}
	return ""
}

// times explains differences of mtimes.
func (e explanation) times() string {
	t := e.only(Mtime)
	switch {
	case t == nil:
		return ""
	case t.nanoseconds == t.count:
		return "only nanoseconds of mtimes differ (" + entries(t.count) + ")" + e.lostNanoseconds(t)
	case t.dirs == t.count:
		return "only directory mtimes differ (" + entries(t.count) + ")" + t.uniform()
	}
	return "only mtimes differ (" + entries(t.count) + ")" + t.uniform()
}

// lostNanoseconds says which of the trees has none.
func (e explanation) lostNanoseconds(t *tally) string {
	which, lost := "A", e.a
	switch {
	case t.new.whole == t.count:
		which, lost = "B", e.b
	case t.old.whole != t.count:
		return ""
	}
	if lost.Format == "2" {
		return ": " + which + " is of format 2, which holds none"
	}
	return ": " + which + " has none"
}

func (e explanation) owners() string {
	if t := e.only(Owner); t != nil {
		return "only owners differ (" + entries(t.count) + ")" + t.uniform()
	}
	return ""
}

// contents explains differences of contents.
func (e explanation) contents() string {
	t := e.only(Content)
	switch {
	case t == nil:
		return ""
	case t.old.hash.all("sha256", t.count) && t.new.hash.all("sha512", t.count),
		t.old.hash.all("sha512", t.count) && t.new.hash.all("sha256", t.count):
		return fmt.Sprintf("digests by %s in A and by %s in B (%s)", t.old.hash.text, t.new.hash.text, entries(t.count))
	case t.moved == t.count:
		return "equal contents, inline in one and objects in the other (" + entries(t.count) + ")"
	}
	return "only contents differ (" + entries(t.count) + ")"
}

func (e explanation) hardlinks() string {
	t := e.only(Hardlink)
	switch {
	case t == nil:
		return ""
	case t.new.none == t.count:
		return "hard links of A are files of their own in B (" + entries(t.count) + ")"
	case t.old.none == t.count:
		return "hard links of B are files of their own in A (" + entries(t.count) + ")"
	}
	return "only hard links differ (" + entries(t.count) + ")"
}

// others explains differences of one attribute of which there is no more to say.
func (e explanation) others() string {
	for _, a := range [...]struct{ attribute, words string }{
		{Mode, "modes"}, {Rdev, "device numbers"}, {Size, "sizes"}, {Target, "targets of symlinks"},
		{Payload, "object paths"}, {Type, "types"},
	} {
		if t := e.only(a.attribute); t != nil {
			return "only " + a.words + " differ (" + entries(t.count) + ")" + t.uniform()
		}
	}
	return ""
}

// names explains differences of which names there are. Those of the directories'
// mtimes come with them.
func (e explanation) names() string {
	added, removed, mtimes := e.count(Added), e.count(Removed), e.count(Mtime)
	if added+removed == 0 || added+removed+mtimes < e.trees || mtimes > 0 && e.tallies[Mtime].dirs < mtimes {
		return ""
	}
	what := "only names differ (" + number(removed) + " removed, " + number(added) + " added)"
	if mtimes > 0 {
		what += ", and mtimes of directories (" + entries(mtimes) + ")"
	}
	if e.below != "/" {
		what += ", all at or below " + dumpfile.Escape(e.below)
	}
	return what
}

// place says where all differences are, if that is not everywhere.
func (e explanation) place() string {
	switch {
	case e.root == e.trees:
		return "only the root directory itself differs"
	case e.below != "/":
		return "all differences are at or below " + dumpfile.Escape(e.below)
	}
	return ""
}
