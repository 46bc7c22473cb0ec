package fd

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Symlink is the error about a symbolic link where there must be none. It wraps ELOOP.
type Symlink struct{ Name string }

func (s *Symlink) Error() string { return s.Name + " is a symbolic link, which is not followed" }

// Unwrap returns what the kernel said.
func (s *Symlink) Unwrap() error { return unix.ELOOP }

// symlink returns the error of opening base in a folder, which is a *Symlink if a link of
// that name is why.
func symlink(dir int, base, name string, err error) error {
	if err == unix.ELOOP || err == unix.ENOTDIR && isLink(dir, base) {
		return &Symlink{name}
	}
	return err
}

// folderFlags open a folder to reach what is in it.
const folderFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC

// openFolder opens a folder below another one. If a part of its name is a symbolic link the
// error is a *Symlink that names it.
func openFolder(root int, name string) (int, error) {
	how := unix.OpenHow{Flags: folderFlags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	n, err := unix.Openat2(root, name, &how)
	switch err {
	case unix.ELOOP, // which part is it?
		unix.ENOSYS, unix.EPERM, // before Linux 5.6, and where a container forbids what it does not know
		unix.EAGAIN:
		return walk(root, name)
	}
	return n, err
}

// walk is openFolder with a system call for each part of the name.
func walk(root int, name string) (int, error) {
	dir, parts := root, strings.Split(name, "/")
	for i, part := range parts {
		n, err := unix.Openat(dir, part, folderFlags|unix.O_NOFOLLOW, 0)
		err = symlink(dir, part, strings.Join(parts[:i+1], "/"), err)
		if dir != root {
			unix.Close(dir)
		}
		if err != nil {
			return -1, err
		}
		dir = n
	}
	return dir, nil
}

func isLink(dir int, name string) bool {
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK
}
