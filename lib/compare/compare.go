// Package compare reports the differences between two trees, by name and attribute, and the
// single cause that explains all of them, if there is one. It walks both trees in parallel and
// keeps no list of differences: its memory does not grow with their number. A Printer writes
// differences as they are found.
package compare

import (
	"strings"

	"cfs/lib/tree"
)

// Tree is one of the two trees that are compared, A or B.
type Tree struct {
	Root   *tree.Inode
	Format string // of the image that holds it: 0, 1 or 2; empty if none does
}

// What can be different. A regular file's Content is the digest of its object,
// "path:" and the object path where there is no digest, or "inline:" and the
// fs-verity digest of what the metadata hold; Payload is an object path beside the
// digest of another object. Hardlink is the first name that the inode has in both
// trees: a name has the same one in both if it shares its inode with the same names.
const (
	Format   = "format" // of the images, under the path of the root
	Added    = "added"  // B alone has the name, with a file of this type
	Removed  = "removed"
	Type     = "type"
	Mode     = "mode"
	Owner    = "owner"
	Mtime    = "mtime"
	Rdev     = "rdev"
	Size     = "size"
	Target   = "target"
	Content  = "content"
	Payload  = "payload"
	Xattr    = "xattr"
	Hardlink = "hardlink"
)

// Value is what one of the trees has. Of a target, an xattr and a hard link, it is
// any bytes.
type Value struct {
	Text string
	Set  bool // false if the tree has none
}

// Difference is an attribute that a name has not alike in both trees.
type Difference struct {
	Path      string // from the root, which is "/"; any bytes
	Attribute string
	Name      string // of an xattr; any bytes
	Old, New  Value  // in A and in B
}

// Compare calls report for each difference between the trees a and b, in the order
// in which tree.Walk gives their names, and says what they have in common. The error
// is the first one of report, which ends it. An inode that has several names is
// compared once for each inode that it meets, under the first of them.
func Compare(a, b Tree, report func(Difference) error) (*Summary, error) {
	c := comparer{
		summary: &Summary{a: a, b: b, tallies: make(map[string]*tally)},
		report:  report,
		a:       newLinks(a.Root),
		b:       newLinks(b.Root),
	}
	if a.Format != b.Format && a.Format != "" && b.Format != "" {
		if err := c.differ(Format, "", text(a.Format), text(b.Format)); err != nil {
			return nil, err
		}
	}
	return c.summary, c.pair(a.Root, b.Root)
}

// comparer is the state of Compare.
type comparer struct {
	summary *Summary
	report  func(Difference) error
	a, b    links
	path    []byte // of the present name; empty for the root
	isDir   bool   // whether that is a directory in both trees
}

// differ reports a difference of the present name.
func (c *comparer) differ(attribute, name string, old, new Value) error {
	d := Difference{Path: c.name(), Attribute: attribute, Name: name, Old: old, New: new}
	c.summary.add(&d, c.isDir)
	return c.report(d)
}

// name returns the path of the present name.
func (c *comparer) name() string {
	if len(c.path) == 0 {
		return "/"
	}
	return string(c.path)
}

// pair compares what both trees have under a name, and all that is below it.
func (c *comparer) pair(a, b *tree.Inode) error {
	c.isDir = a.IsDir() && b.IsDir()
	if !a.IsDir() && !b.IsDir() {
		old, new := c.a.first(a, c), c.b.first(b, c)
		if old != new {
			if err := c.differ(Hardlink, "", old, new); err != nil {
				return err
			}
		} else if old.Set {
			return nil // it was compared under that name
		}
	}
	if err := c.attributes(a, b); err != nil {
		return err
	}
	if err := c.xattrs(a.Xattrs, b.Xattrs); err != nil {
		return err
	}
	return c.entries(a.Entries(), b.Entries())
}

// entries compares the entries of two directories, both in byte order.
func (c *comparer) entries(a, b []tree.Entry) error {
	dir := len(c.path)
	for len(a) > 0 || len(b) > 0 {
		var err error
		switch order := first(a, b, func(e tree.Entry) string { return e.Name }); {
		case order < 0:
			c.path = append(append(c.path[:dir], '/'), a[0].Name...)
			err = c.alone(Removed, a[0].Inode)
			a = a[1:]
		case order > 0:
			c.path = append(append(c.path[:dir], '/'), b[0].Name...)
			err = c.alone(Added, b[0].Inode)
			b = b[1:]
		default:
			c.path = append(append(c.path[:dir], '/'), a[0].Name...)
			err = c.pair(a[0].Inode, b[0].Inode)
			a, b = a[1:], b[1:]
		}
		if err != nil {
			return err
		}
	}
	c.path = c.path[:dir]
	return nil
}

// alone reports what one of the trees has alone, and all that is below it.
func (c *comparer) alone(attribute string, n *tree.Inode) error {
	old, new := text(typeName(n)), Value{}
	if attribute == Added {
		old, new = new, old
	}
	c.isDir = n.IsDir()
	if err := c.differ(attribute, "", old, new); err != nil {
		return err
	}
	dir := len(c.path)
	for _, e := range n.Entries() {
		c.path = append(append(c.path[:dir], '/'), e.Name...)
		if err := c.alone(attribute, e.Inode); err != nil {
			return err
		}
	}
	c.path = c.path[:dir]
	return nil
}

// xattrs compares the xattrs of two inodes, both in byte order of their names.
func (c *comparer) xattrs(a, b []tree.Xattr) error {
	for len(a) > 0 || len(b) > 0 {
		var name string
		var old, new Value
		order := first(a, b, func(x tree.Xattr) string { return x.Name })
		if order <= 0 {
			name, old, a = a[0].Name, text(a[0].Value), a[1:]
		}
		if order >= 0 {
			name, new, b = b[0].Name, text(b[0].Value), b[1:]
		}
		if old != new {
			if err := c.differ(Xattr, name, old, new); err != nil {
				return err
			}
		}
	}
	return nil
}

// first says which of two sorted lists, of which one may be at its end, has the lesser
// key next: less than 0 is a, more is b, 0 are both.
func first[T any](a, b []T, key func(T) string) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return strings.Compare(key(a[0]), key(b[0]))
}

// text returns a value that is there.
func text(s string) Value { return Value{s, true} }
