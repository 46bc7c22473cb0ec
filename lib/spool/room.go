package spool

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Room returns how many bytes a directory, or what it will stand in, has room for; 0 if
// that cannot be told.
func Room(dir string) int64 {
	dir, err := filepath.Abs(dir)
	for err == nil {
		var st unix.Statfs_t
		switch statErr := unix.Statfs(dir, &st); {
		case statErr == nil:
			return int64(st.Bavail) * st.Bsize
		case statErr != unix.ENOENT || dir == "/":
			return 0
		}
		dir = filepath.Dir(dir)
	}
	return 0
}
