package erofs

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// overlayfs acts on xattrs with overlayPrefix, and shows to a container those
// with escapedPrefix as if they had overlayPrefix.
const (
	overlayPrefix = "trusted.overlay."
	escapedPrefix = "trusted.overlay.overlay."

	metacopyName = overlayPrefix + "metacopy" // the digest of a file's content
	redirectName = overlayPrefix + "redirect" // where that is
)

// The marks of E1. A whiteout of the tree becomes a file, which overlayfs shows
// as a whiteout for its marks and those of its directory, in a mount by the
// system and in one by a user; V1 says by opaque xattrs too that there are some.
var (
	whiteoutMarks = []tree.Xattr{
		{Name: escapedPrefix + "whiteout"},
		{Name: "user.overlay.whiteout"},
	}
	whiteoutsMarks = []tree.Xattr{
		{Name: escapedPrefix + "whiteouts"},
		{Name: "user.overlay.whiteouts"},
	}
	opaqueMarks = []tree.Xattr{
		{Name: escapedPrefix + "opaque", Value: "x"},
		{Name: "user.overlay.opaque", Value: "x"},
	}
	// rootMarks hide all that lies below the root: the objects.
	rootMarks = []tree.Xattr{{Name: overlayPrefix + "opaque", Value: "y"}}
)

// xattr is an xattr of the image. It can have the value that an object gives it.
type xattr struct {
	tree.Xattr
	object *verity.ID
}

// overlay gives each node its xattrs: those of the tree, names of overlayfs
// escaped, and those by which composefs works.
func (b *builder) overlay() error {
	var list []xattr
	for i := range b.nodes {
		n := &b.nodes[i]
		list = list[:0]
		if b.format == variant.V2 {
			list = appendExternal(list, n.inode)
			list = appendEscaped(list, n.inode)
		} else {
			list = appendEscaped(list, n.inode)
			list = appendExternal(list, n.inode)
			list = sortXattrs(b.appendMarks(list, n))
		}
		if len(b.refs)+len(list) > maxRefs {
			return errors.New("an image cannot hold so many xattrs")
		}
		n.xattrs = uint32(len(b.refs))
		for _, x := range list {
			b.refs = append(b.refs, b.xattrs.add(x))
		}
		n.xattrsEnd = uint32(len(b.refs))
	}
	return nil
}

func appendEscaped(list []xattr, n *tree.Inode) []xattr {
	for _, x := range n.Xattrs {
		if rest, ok := strings.CutPrefix(x.Name, overlayPrefix); ok {
			x.Name = escapedPrefix + rest
		}
		list = append(list, xattr{Xattr: x})
	}
	return list
}

// appendExternal adds what makes overlayfs take the content of a regular file
// from an object: metacopy, with the digest that it shall have if that is known,
// and redirect, unless the file is sparse.
func appendExternal(list []xattr, n *tree.Inode) []xattr {
	if !n.IsRegular() || !isExternal(n) {
		return list
	}
	metacopy := xattr{Xattr: tree.Xattr{Name: metacopyName}}
	redirect := xattr{Xattr: tree.Xattr{Name: redirectName}}
	if !n.Object.IsZero() {
		metacopy.object = &n.Object
		redirect.object = &n.Object
	}
	if n.Payload != "" {
		redirect.object = nil
		redirect.Value = "/" + n.Payload
		if id, ok := verity.ParseObjectPath(n.Payload); ok && id.ObjectPath() == n.Payload {
			redirect.object = &id // equal redirects are to be known as such
		}
	}
	list = append(list, metacopy)
	if redirect.Value != "" || redirect.object != nil {
		list = append(list, redirect)
	}
	return list
}

// appendMarks adds the marks of a node of E1.
func (b *builder) appendMarks(list []xattr, n *node) []xattr {
	add := func(marks []tree.Xattr) {
		for _, x := range marks {
			list = append(list, xattr{Xattr: x})
		}
	}
	if n.mode&unix.S_IFMT == unix.S_IFREG && n.inode.IsWhiteout() {
		add(whiteoutMarks)
	}
	if n.whiteouts {
		add(whiteoutsMarks)
		if b.format == variant.V1 {
			add(opaqueMarks)
		}
	}
	if n.name == none {
		add(rootMarks)
	}
	return list
}

// sortXattrs sorts by name. Of two xattrs with the same name the later stays.
func sortXattrs(list []xattr) []xattr {
	slices.SortStableFunc(list, func(a, b xattr) int { return strings.Compare(a.Name, b.Name) })
	kept := list[:0]
	for i, x := range list {
		if i+1 == len(list) || list[i+1].Name != x.Name {
			kept = append(kept, x)
		}
	}
	return kept
}
