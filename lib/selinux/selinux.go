// Package selinux labels the files of a tree by the SELinux policy that lies in it.
//
// The policy is that of /etc/selinux in the tree; nothing outside of it is read, and
// no symbolic link is followed. Its file contexts (file_contexts(5)) are rules: a
// regular expression of paths, a type of file, and the label of what it matches. The
// last rule that matches wins. Rules are read as the reference reads them, in both of
// the dialects that its engines accept: each pattern is rewritten into one plain
// form that means the same to the engines of Go, and rules are found by the text that
// they begin with.
//
// Compiled policies (policy.kern, file_contexts.bin) are not read.
package selinux

import (
	"fmt"

	"cfs/lib/tree"
)

// Relabel labels a tree in place: each inode gets the xattr security.selinux that the
// policy in the tree says, or loses it where the policy has none for it. If there is no
// policy all labels are removed. content opens the files of the policy. After an error
// the tree must not be used any more. The error is marked as corrupt if the policy is
// not what its format says.
func Relabel(root *tree.Inode, content tree.Content) error {
	p, err := findPolicy(root, content)
	if err != nil {
		return fmt.Errorf("SELinux policy: %w", err)
	}
	if p == nil {
		unlabel(root)
		return nil
	}
	if err := p.label(root); err != nil {
		return fmt.Errorf("SELinux labels: %w", err)
	}
	return nil
}
