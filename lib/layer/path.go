package layer

import (
	"errors"
	"slices"
	"strings"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
)

// maxLinks is how many symbolic links are followed on the way to one directory,
// as in the kernel (MAXSYMLINKS, include/linux/namei.h).
const maxLinks = 40

// errMissing means that a directory on the way does not exist.
var errMissing = errors.New("does not exist")

// splitPath returns the directories above a member and its name there, "" for the
// root. As in the reference, a path that ends in ".." is the root.
// The parents are appended to room.
func splitPath(room []string, path string) (parents []string, name string, err error) {
	if strings.Contains(path, "\x00") {
		return nil, "", corrupt.Errorf("NUL in a name")
	}
	parts := components(room, path)
	if len(parts) == 0 || parts[len(parts)-1] == ".." {
		return nil, "", nil
	}
	if slices.Contains(parts, "..") {
		return nil, "", corrupt.Errorf("%q goes up by \"..\"", path)
	}
	for _, p := range parts {
		if len(p) > maxName {
			return nil, "", corrupt.Errorf("name of %d bytes: at most %d can be shown by the kernel", len(p), maxName)
		}
	}
	last := len(parts) - 1
	return parts[:last], parts[last], nil
}

// components cuts a path at its slashes, leaves out what means nothing, and appends the
// rest to parts.
func components(parts []string, path string) []string {
	for p := range strings.SplitSeq(path, "/") {
		if p != "" && p != "." {
			parts = append(parts, p)
		}
	}
	return parts
}

// walk is the way to a directory of a tree.
type walk struct {
	above []*tree.Inode // from the root to where the walk is
	links int           // followed so far
}

func (w *walk) here() *tree.Inode { return w.above[len(w.above)-1] }

// directory goes down from the root. What is missing it makes, if it may; symbolic
// links it follows without ever leaving the root. With strict rules it does
// neither. The error wraps errMissing if one of parents is missing.
func (g *Merger) directory(parents []string, create bool) (*tree.Inode, error) {
	w := &g.walk
	w.above, w.links = append(w.above[:0], g.root), 0
	for _, name := range parents {
		n := w.here().Lookup(name)
		if n == nil && create {
			if err := g.found.Note(tolerance.MissingParent, g.member, name); err != nil {
				return nil, err
			}
			n = tree.NewDir(0o755)
			w.here().Put(name, n)
		}
		if n != nil && n.IsSymlink() {
			if err := g.found.Note(tolerance.SymlinkParent, g.member, name); err != nil {
				return nil, err
			}
		}
		if err := w.enter(name, n); err != nil {
			return nil, err
		}
	}
	return w.here(), nil
}

// enter goes to the entry n of the current directory.
func (w *walk) enter(name string, n *tree.Inode) error {
	switch {
	case n == nil:
		return corrupt.Errorf("the directory %q %w", name, errMissing)
	case n.IsDir():
		w.above = append(w.above, n)
		return nil
	case n.IsSymlink():
		return w.follow(name, n.Target)
	}
	return corrupt.Errorf("%q is not a directory", name)
}

// follow goes where a symbolic link in the current directory leads.
func (w *walk) follow(name, target string) error {
	if w.links++; w.links > maxLinks {
		return corrupt.Errorf("%q: more than %d symbolic links", name, maxLinks)
	}
	if strings.HasPrefix(target, "/") {
		w.above = w.above[:1]
	}
	for _, part := range components(nil, target) {
		if part == ".." {
			w.above = w.above[:max(1, len(w.above)-1)]
			continue
		}
		n := w.here().Lookup(part)
		if n == nil {
			return corrupt.Errorf("%q is a symbolic link to %q, which is missing", name, target)
		}
		if err := w.enter(part, n); err != nil {
			return err
		}
	}
	return nil
}
