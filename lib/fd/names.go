package fd

import (
	"bytes"
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The layout of a directory entry, struct linux_dirent64 of getdents64(2).
const (
	direntLength = int(unsafe.Offsetof(unix.Dirent{}.Reclen)) // u16, of the whole entry
	direntType   = int(unsafe.Offsetof(unix.Dirent{}.Type))   // u8
	direntName   = int(unsafe.Offsetof(unix.Dirent{}.Name))   // ends with a zero byte
)

// Names calls each with the names in an open directory, in no certain order, and whether
// they are directories. It is ReadDir without a string and an entry for each name: each must
// not keep the bytes. After an error not all names were found.
func Names(d *os.File, each func(name []byte, directory bool)) error {
	return Use(d, func(n int) error {
		if _, err := unix.Seek(n, 0, unix.SEEK_SET); err != nil {
			return err
		}
		buffer := make([]byte, 32<<10)
		for {
			size, err := readDirent(n, buffer)
			if err != nil || size <= 0 {
				return err
			}
			if err := entries(n, buffer[:size], each); err != nil {
				return err
			}
		}
	})
}

func readDirent(n int, buffer []byte) (size int, err error) {
	for range maxTries {
		if size, err = unix.ReadDirent(n, buffer); err != unix.EINTR {
			break
		}
	}
	return size, err
}

// entries goes through what one getdents64 has returned.
func entries(dir int, list []byte, each func([]byte, bool)) error {
	for len(list) > 0 {
		length := binary.NativeEndian.Uint16(list[direntLength:])
		entry := list[:length]
		list = list[length:]
		name, _, _ := bytes.Cut(entry[direntName:], []byte{0})
		if string(name) == "." || string(name) == ".." {
			continue
		}
		directory := entry[direntType] == unix.DT_DIR
		if entry[direntType] == unix.DT_UNKNOWN { // the file system does not tell
			var st unix.Stat_t
			switch err := unix.Fstatat(dir, string(name), &st, unix.AT_SYMLINK_NOFOLLOW); err {
			case nil:
				directory = st.Mode&unix.S_IFMT == unix.S_IFDIR
			case unix.ENOENT:
				continue // removed meanwhile
			default:
				return err
			}
		}
		each(name, directory)
	}
	return nil
}
