package tree

import (
	"slices"

	"cfs/lib/tolerance"
)

// Canonicalize returns a tree in the canonical form of container images, which makes
// it independent of what tars tend to lack: the root is as /usr is, and /run is empty and
// as old as /usr. bareRoot says that nothing is known of the root itself, which is then of
// mode 0755, owner 0:0 and time 0 if there is no /usr. Strict rules refuse a
// tree without /usr, or with a /run that is not a directory. The given root must not be used
// any more.
func Canonicalize(root *Inode, bareRoot bool, rules *tolerance.Rules) (*Inode, error) {
	if usr := root.Lookup("usr"); usr != nil && usr.IsDir() {
		like := *usr
		like.Xattrs = slices.Clone(usr.Xattrs)
		like.TakeEntries(root)
		root = &like
	} else {
		if err := rules.Note(tolerance.NoUsr, "/usr"); err != nil {
			return nil, err
		}
		if bareRoot {
			bare := NewDir(0o755)
			bare.TakeEntries(root)
			root = bare
		}
	}
	switch run := root.Lookup("run"); {
	case run == nil:
	case run.IsDir():
		run.Clear()
		run.Mtime = root.Mtime
	default:
		if err := rules.Note(tolerance.RunNoDirectory, "/run"); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// IsCanonical reports whether a tree has the form that Canonicalize gives it.
func IsCanonical(root *Inode) bool {
	usr, run := root.Lookup("usr"), root.Lookup("run")
	if usr == nil || root.Mode != usr.Mode || root.UID != usr.UID || root.GID != usr.GID || root.Mtime != usr.Mtime || !slices.Equal(root.Xattrs, usr.Xattrs) {
		return false
	}
	return run == nil || run.IsDir() && run.Len() == 0 && run.Mtime == root.Mtime
}
