package compare

import "strings"

// Summary is what all differences of two trees have in common, as far as it tells
// where they come from.
type Summary struct {
	a, b      Tree
	total     int
	tallies   map[string]*tally // by attribute
	root      int               // how many are of the root itself
	below     string            // the deepest path that all differences are at or below
	canonical [2]int            // how many the canonical form of A, or B, explains
}

// tally counts the differences of one attribute.
type tally struct {
	count    int
	dirs     int  // at directories of both trees
	root     int  // at the root
	name     same // of an xattr
	old, new side

	nanoseconds int // mtimes with the same seconds
	moved       int // contents that are the same, inline in one tree alone
}

// side is what one of the trees has where an attribute differs.
type side struct {
	text  same
	hash  same // the kind of Content
	none  int  // without a value
	whole int  // mtimes without nanoseconds
}

// same is a text as long as all are the same.
type same struct {
	text  string
	count int
	mixed bool
}

func (s *same) add(text string) {
	s.mixed = s.mixed || s.count > 0 && text != s.text
	s.text = text
	s.count++
}

// all reports whether there were n texts, all the same one.
func (s *same) all(text string, n int) bool { return s.count == n && !s.mixed && s.text == text }

// Equal reports whether there is no difference at all.
func (s *Summary) Equal() bool { return s.total == 0 }

// add counts a difference. isDir tells that of a directory.
func (s *Summary) add(d *Difference, isDir bool) {
	t := s.tallies[d.Attribute]
	if t == nil {
		t = new(tally)
		s.tallies[d.Attribute] = t
	}
	s.total++
	t.add(d, isDir)
	if d.Attribute == Format {
		return
	}
	if s.total-s.count(Format) == 1 {
		s.below = d.Path
	}
	s.below = commonPath(s.below, d.Path)
	if d.Path == "/" {
		s.root++
	}
	if canonical(d, d.New) {
		s.canonical[1]++
	}
	if canonical(d, d.Old) {
		s.canonical[0]++
	}
}

func (t *tally) add(d *Difference, isDir bool) {
	t.count++
	if isDir {
		t.dirs++
	}
	if d.Path == "/" {
		t.root++
	}
	t.name.add(d.Name)
	t.old.add(d.Attribute, d.Old)
	t.new.add(d.Attribute, d.New)
	switch d.Attribute {
	case Mtime:
		if seconds(d.Old) == seconds(d.New) {
			t.nanoseconds++
		}
	case Content:
		if d.Old.Set && d.New.Set && strings.TrimPrefix(d.Old.Text, "inline:") == strings.TrimPrefix(d.New.Text, "inline:") {
			t.moved++
		}
	}
}

func (s *side) add(attribute string, v Value) {
	if !v.Set {
		s.none++
		return
	}
	s.text.add(v.Text)
	switch attribute {
	case Mtime:
		if strings.HasSuffix(v.Text, ".0") {
			s.whole++
		}
	case Content:
		s.hash.add(hash(v.Text))
	}
}

// hash returns by which hash a Content is given, "" if it is not that of an object.
func hash(content string) string {
	switch {
	case strings.Contains(content, ":"):
		return ""
	case len(content) == 64:
		return "sha256"
	}
	return "sha512"
}

// count returns how many differences there are of an attribute.
func (s *Summary) count(attribute string) int {
	if t := s.tallies[attribute]; t != nil {
		return t.count
	}
	return 0
}

// canonical reports whether a difference is one between a tree as it was and its
// canonical form (of package tree), in which it has the value v: the root as /usr
// is, an empty /run, and few xattrs.
func canonical(d *Difference, v Value) bool {
	switch d.Attribute {
	case Added, Removed:
		return !v.Set && strings.HasPrefix(d.Path, "/run/")
	case Mode, Owner:
		return d.Path == "/"
	case Mtime:
		return d.Path == "/" || d.Path == "/run"
	case Xattr:
		return d.Path == "/" || !v.Set && d.Name != "security.capability"
	}
	return false
}

// commonPath returns the deepest path that both are, or are below.
func commonPath(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if (i == len(a) || a[i] == '/') && (i == len(b) || b[i] == '/') {
		return a[:i]
	}
	if i = strings.LastIndexByte(a[:i], '/'); i <= 0 {
		return "/"
	}
	return a[:i]
}

func seconds(mtime Value) string {
	s, _, _ := strings.Cut(mtime.Text, ".")
	return s
}
