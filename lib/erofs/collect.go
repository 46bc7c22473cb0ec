package erofs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/variant"
)

// maxDepth bounds how deep directories lie below the root: PATH_MAX/2, as deep
// as the reference reads.
const maxDepth = 2048

// stubs is how many whiteouts with names of two hex digits the root of E1 has.
const stubs = 256

// collector makes the nodes and entries of a builder in depth-first order: the
// first name of a leaf is then the one under which the image lists it.
type collector struct {
	*builder
	seen map[*tree.Inode]uint32
	stub *tree.Inode // what all 256 stubs are made from, nil in E2

	xattrCount, objectCount int // of all inodes, but for what overlay adds
}

func (b *builder) collect(root *tree.Inode) error {
	if !root.IsDir() {
		return errors.New("the root of the tree is not a directory")
	}
	count := tree.Count(root)
	c := collector{builder: b, seen: make(map[*tree.Inode]uint32, count)}
	if b.format != variant.V2 {
		c.stub = newStub(root)
		count += stubs
	}
	b.nodes = make([]node, 0, count)
	b.entries = make([]entry, 0, count+2*tree.CountDirs(root))
	if _, err := c.add(root, 0, none, 0); err != nil {
		return err
	}
	b.refs = make([]xattrRef, 0, c.xattrCount)
	b.xattrs = newXattrTable(b.format, c.objectCount)
	return nil
}

// newStub returns the whiteout that the names of a repository's directories of
// objects get in the root of an E1 image, so that none of them shows through.
func newStub(root *tree.Inode) *tree.Inode {
	stub := &tree.Inode{
		Mode: unix.S_IFCHR | 0o644,
		UID:  root.UID, GID: root.GID,
		Mtime: root.Mtime,
	}
	if label, ok := root.Xattr("security.selinux"); ok {
		stub.Xattrs = []tree.Xattr{{Name: "security.selinux", Value: label}}
	}
	return stub
}

// add adds an inode that was not met before, with all that is below it. dir and
// name are those of its node; depth is how many directories it lies below.
func (c *collector) add(inode *tree.Inode, dir, name uint32, depth int) (uint32, error) {
	n := uint32(len(c.nodes))
	c.nodes = append(c.nodes, node{
		inode: inode,
		name:  name,
		dir:   dir,
		links: 1 + inode.Unnamed,
		mode:  uint16(inode.Mode),
	})
	c.xattrCount += len(inode.Xattrs)
	if inode == c.stub {
		return n, nil
	}
	c.seen[inode] = n
	if !inode.Object.IsZero() {
		c.xattrCount += 2
		c.objectCount++
	}
	if err := checkInode(c.format, inode); err != nil {
		return 0, fmt.Errorf("%q: %w", c.path(n), err)
	}
	if inode.IsWhiteout() && c.format != variant.V2 {
		c.nodes[n].mode = unix.S_IFREG | c.nodes[n].mode&0o7777
		c.nodes[dir].whiteouts = true
	}
	if !inode.IsDir() {
		return n, nil
	}
	if depth > maxDepth {
		return 0, fmt.Errorf("%.80q…: more than %d directories deep", c.path(n), maxDepth)
	}
	c.nodes[n].links = 2
	return n, c.addEntries(n, depth)
}

// addEntries adds the names in directory d and what they lead to.
func (c *collector) addEntries(d uint32, depth int) error {
	list, err := c.list(d)
	if err != nil {
		return err
	}
	next := c.addNames(d, list)
	for _, e := range list {
		for c.entries[next].node != none { // "." or ".."
			next++
		}
		n, ok := c.seen[e.Inode]
		if ok {
			err = c.addLink(n, d, e.Name)
		} else {
			n, err = c.add(e.Inode, d, next, depth+1)
		}
		if err != nil {
			return err
		}
		if e.Inode.IsDir() {
			c.nodes[d].links++
		}
		c.entries[next].node = n
		next++
	}
	return nil
}

// addLink counts a further name of node n, in directory d.
func (c *collector) addLink(n, d uint32, name string) error {
	switch inode := c.nodes[n].inode; {
	case inode.IsDir():
		return fmt.Errorf("%q: a directory that is %q too", joinPath(c.path(d), name), c.path(n))
	case inode.IsWhiteout():
		return fmt.Errorf("%q: a whiteout with a second name, %q", c.path(n), joinPath(c.path(d), name))
	}
	c.nodes[n].links++
	return nil
}

// list returns the checked entries of directory d, with stubs if it is the root
// of E1.
func (c *collector) list(d uint32) ([]tree.Entry, error) {
	inode := c.nodes[d].inode
	list := inode.Entries()
	for _, e := range list {
		if err := checkName(e.Name); err != nil {
			return nil, fmt.Errorf("%q: %w", joinPath(c.path(d), e.Name), err)
		}
	}
	if d == 0 && c.stub != nil {
		for i := range stubs {
			if name := fmt.Sprintf("%02x", i); inode.Lookup(name) == nil {
				list = append(list, tree.Entry{Name: name, Inode: c.stub})
			}
		}
		slices.SortFunc(list, func(a, b tree.Entry) int { return strings.Compare(a.Name, b.Name) })
	}
	if len(c.entries)+len(list) > MaxSize/direntSize {
		return nil, errors.New("an image cannot hold so many names")
	}
	return list, nil
}

// addNames appends the names of a directory, "." and ".." among them. Only those
// two have their node already. It returns where the names begin.
func (c *collector) addNames(d uint32, list []tree.Entry) uint32 {
	start := uint32(len(c.entries))
	dots := []entry{{".", d}, {"..", c.nodes[d].dir}}
	for _, e := range list {
		for len(dots) > 0 && dots[0].name < e.Name {
			c.entries = append(c.entries, dots[0])
			dots = dots[1:]
		}
		c.entries = append(c.entries, entry{e.Name, none})
	}
	c.entries = append(c.entries, dots...)
	c.nodes[d].entries, c.nodes[d].entriesEnd = start, uint32(len(c.entries))
	return start
}

// sortBreadthFirst brings the nodes into the order of E1: the root, then the
// entries of each directory in turn, each inode where its first name is.
func (b *builder) sortBreadthFirst() {
	number := make([]uint32, len(b.nodes)) // what each node will have
	order := make([]uint32, 1, len(b.nodes))
	for i := 0; i < len(order); i++ {
		n := &b.nodes[order[i]]
		number[order[i]] = uint32(i)
		for at := n.entries; at < n.entriesEnd; at++ {
			if child := b.entries[at].node; b.nodes[child].name == at {
				order = append(order, child)
			}
		}
	}
	for i := range b.nodes {
		b.nodes[i].dir = number[b.nodes[i].dir]
	}
	for i := range b.entries {
		b.entries[i].node = number[b.entries[i].node]
	}
	for i := range number { // in place: a large tree has many nodes
		for j := number[i]; j != uint32(i); j = number[i] {
			b.nodes[i], b.nodes[j] = b.nodes[j], b.nodes[i]
			number[i], number[j] = number[j], number[i]
		}
	}
}
