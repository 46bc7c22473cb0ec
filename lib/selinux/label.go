package selinux

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
)

// labelXattr is the extended attribute with the SELinux label of a file.
const labelXattr = "security.selinux"

// unlabel takes all labels out of a tree.
func unlabel(root *tree.Inode) {
	for _, n := range tree.Walk(root) {
		setLabel(n, "")
	}
}

// setLabel labels an inode; with no label it has none any more.
func setLabel(n *tree.Inode, label string) {
	if label != "" {
		n.SetXattr(labelXattr, label)
		return
	}
	n.Xattrs = slices.DeleteFunc(n.Xattrs, func(x tree.Xattr) bool { return x.Name == labelXattr })
}

// keyType returns the character that stands for the type of a file in a policy.
func keyType(n *tree.Inode) byte {
	switch n.Type() {
	case unix.S_IFDIR:
		return 'd'
	case unix.S_IFLNK:
		return 'l'
	case unix.S_IFCHR:
		return 'c'
	case unix.S_IFBLK:
		return 'b'
	case unix.S_IFIFO:
		return 'p'
	case unix.S_IFSOCK:
		return 's'
	}
	return '-'
}

// labeller labels one tree.
type labeller struct {
	*policy
	// first has the label that each leaf got by the first of its names, "" for none.
	first    map[*tree.Inode]string
	deadline time.Time
}

// maxTime is how long a tree is labelled at most: a hundred times of what a large one
// and the policy of a distribution take. Policies can be written that take for ever.
const maxTime = 5 * time.Minute

// label labels a whole tree.
func (p *policy) label(root *tree.Inode) error {
	return p.labelUntil(root, time.Now().Add(maxTime))
}

func (p *policy) labelUntil(root *tree.Inode, deadline time.Time) error {
	l := labeller{p, map[*tree.Inode]string{}, deadline}
	return l.directory(root, "/")
}

// lookup returns the label of a path, "" for none.
func (l *labeller) lookup(path string, typ byte) (string, error) {
	if time.Now().After(l.deadline) {
		return "", fmt.Errorf("%s: the patterns of the policy take too long: more than %s until here", abbreviate(path), maxTime)
	}
	label, err := l.policy.lookup(path, typ)
	if err != nil {
		return "", fmt.Errorf("%s: %w", abbreviate(path), err)
	}
	return label, nil
}

// directory labels a directory as path, and all below it.
func (l *labeller) directory(dir *tree.Inode, path string) error {
	label, err := l.lookup(path, 'd')
	if err != nil {
		return err
	}
	setLabel(dir, label)
	for _, e := range dir.Entries() {
		child := join(path, e.Name)
		path = parent(path)
		if target, ok := l.aliases[child]; ok {
			child = target
		}
		if e.Inode.IsDir() {
			err = l.directory(e.Inode, child)
		} else {
			err = l.leaf(dir, e, child)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leaf labels one name of a leaf as path. If the leaf has got another label by an
// earlier name, this one gets a copy of its own.
func (l *labeller) leaf(dir *tree.Inode, e tree.Entry, path string) error {
	n := e.Inode
	label, err := l.lookup(path, keyType(n))
	if err != nil {
		return err
	}
	switch first, again := l.first[n]; {
	case !again:
		l.first[n] = label
	case first == label:
		return nil
	default:
		other := *n
		other.Xattrs = slices.Clone(n.Xattrs)
		n = &other
		dir.Put(e.Name, n)
	}
	setLabel(n, label)
	return nil
}

// join and parent do what the reference does to paths. An alias may end in slashes, and
// they are gone once its first entry has been looked up.
func join(dir, name string) string {
	if strings.HasSuffix(dir, "/") {
		return dir + name
	}
	return dir + "/" + name
}

func parent(dir string) string {
	for len(dir) > 1 {
		cut := strings.TrimSuffix(dir, "/")
		if len(cut) == len(dir) {
			cut = strings.TrimSuffix(dir, "/.")
		}
		if len(cut) == len(dir) {
			break
		}
		dir = cut
	}
	if dir == "" {
		return "/"
	}
	return dir
}
