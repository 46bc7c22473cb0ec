package layer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
)

const (
	// maxName is the size of a name in bytes: NAME_MAX of limits.h.
	maxName = 255
	// maxDepth is how deep directories lie below the root: as images do, PATH_MAX/2.
	maxDepth = 2048
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
	last := len(parts) - 1
	parents, name = parts[:last], parts[last]
	for i, p := range parents {
		if strings.HasPrefix(p, whiteout) && (i > 0 || !isMetadata(parents)) {
			return nil, "", corrupt.Errorf("below %q, which is a whiteout", p)
		}
		if err := checkName(p); err != nil {
			return nil, "", err
		}
	}
	if removed, ok := strings.CutPrefix(name, whiteout); ok {
		return parents, name, checkRemoved(removed)
	}
	return parents, name, checkName(name)
}

func checkName(name string) error {
	if len(name) > maxName {
		return corrupt.Errorf("name of %d bytes: the kernel supports at most %d", len(name), maxName)
	}
	return nil
}

// checkRemoved checks what a whiteout removes.
func checkRemoved(name string) error {
	switch name {
	case "", ".", "..":
		return corrupt.Errorf("a whiteout of %q, which is not a valid name", name)
	}
	return checkName(name)
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
		var err error
		switch {
		case n == nil && create:
			n, err = g.imply(name)
		case n != nil && n.IsSymlink():
			err = g.found.Note(tolerance.SymlinkParent, g.member, name)
		}
		if err == nil {
			err = w.enter(name, n)
		}
		if err != nil {
			return nil, err
		}
	}
	if create {
		for _, dir := range w.above {
			g.mark(dir, touched)
		}
	}
	return w.here(), nil
}

// imply makes a directory that members lie below and that has no entry of its own. A
// short path can ask for many of them.
func (g *Merger) imply(name string) (*tree.Inode, error) {
	if err := g.found.Note(tolerance.MissingParent, g.member, name); err != nil {
		return nil, err
	}
	limit := g.Rules.Implied()
	if g.implied++; g.implied > limit {
		return nil, fmt.Errorf("more than %d directories have no entry of their own", limit)
	}
	n := tree.NewDir(0o755)
	g.walk.here().Put(strings.Clone(name), n) // without all of its path
	return n, nil
}

// enter goes to the entry n of the current directory.
func (w *walk) enter(name string, n *tree.Inode) error {
	switch {
	case n == nil:
		return corrupt.Errorf("the directory %q %w", name, errMissing)
	case n.IsDir():
		w.above = append(w.above, n)
		return w.checkDepth(0)
	case n.IsSymlink():
		return w.follow(name, n.Target)
	}
	return corrupt.Errorf("%q is not a directory", name)
}

// checkDepth refuses a directory so many levels below the current one that the kernel
// could not show what is in it.
func (w *walk) checkDepth(below int) error {
	if len(w.above)-1+below > maxDepth {
		return corrupt.Errorf("more than %d directories deep", maxDepth)
	}
	return nil
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
