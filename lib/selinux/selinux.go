// Package selinux labels the files of a tree by the SELinux policy that the tree contains.
//
// The policy is the one in /etc/selinux of the tree; nothing outside of the tree is read, and
// symbolic links are not followed. Its file contexts (file_contexts(5)) are rules: a regular
// expression for paths, a file type, and the label of matching files. The last matching rule
// wins. Rules are parsed as the reference parses them, in both dialects that its engines
// accept: each pattern is rewritten into one plain form that has the same meaning in Go's
// engines, and rules are looked up by their literal prefix.
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
