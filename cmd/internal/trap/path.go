package trap

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// names says which arguments of a call name a file: a directory's descriptor and a path
// relative to that. Of two files it is the one that is made.
var names = map[int][2]int{
	unix.SYS_OPENAT: {0, 1}, unix.SYS_OPENAT2: {0, 1}, unix.SYS_NEWFSTATAT: {0, 1}, unix.SYS_STATX: {0, 1}, unix.SYS_READLINKAT: {0, 1},
	unix.SYS_FACCESSAT: {0, 1}, unix.SYS_FACCESSAT2: {0, 1}, unix.SYS_FCHMODAT: {0, 1}, unix.SYS_FCHMODAT2: {0, 1},
	unix.SYS_UNLINKAT: {0, 1}, unix.SYS_MKDIRAT: {0, 1}, unix.SYS_UTIMENSAT: {0, 1},
	unix.SYS_SYMLINKAT: {1, 2}, unix.SYS_LINKAT: {2, 3}, unix.SYS_RENAMEAT: {2, 3}, unix.SYS_RENAMEAT2: {2, 3},
}

// Path returns the file that the call is about, as far as that can be told: by its name, or
// by the descriptor that is the first argument of calls that take no name. It may be
// called as long as the call is not answered.
func (c Call) Path() string {
	at, named := names[c.Nr]
	if !named {
		return c.file(c.args[0])
	}
	return c.nameAt(at[0], at[1])
}

// nameAt returns the path of two arguments, a directory's descriptor and a name in that.
func (c Call) nameAt(dirArg, nameArg int) string {
	name := readString(c.pid, c.args[nameArg])
	if filepath.IsAbs(name) {
		return name
	}
	dir := int32(c.args[dirArg])
	if dir == unix.AT_FDCWD {
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", c.pid))
		return filepath.Join(cwd, name)
	}
	return filepath.Join(c.file(uint64(dir)), name)
}

// Source returns what a call gives the name to that Path returns: the text of a symbolic link,
// or the path that a file had before; "" for other calls.
func (c Call) Source() string {
	switch c.Nr {
	case unix.SYS_SYMLINKAT:
		return readString(c.pid, c.args[0])
	case unix.SYS_LINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return c.nameAt(0, 1)
	}
	return ""
}

// Printed returns what a call writes to stdout, "" if it does something else.
func (c Call) Printed() string {
	if c.Nr != unix.SYS_WRITE || c.args[0] != 1 {
		return ""
	}
	return string(readMemory(c.pid, c.args[1], int(min(c.args[2], maxPrinted))))
}

// maxPrinted is how many bytes of one write are looked at.
const maxPrinted = 1 << 20

// file returns what is behind a descriptor, "" if nothing is. A file that has lost its name,
// or never had one, ends with " (deleted)".
func (c Call) file(fd uint64) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.pid, int32(fd)))
	return name
}

// readString reads a path in the memory of a process.
func readString(pid uint32, at uint64) string {
	name, _, _ := strings.Cut(string(readMemory(pid, at, unix.PathMax)), "\x00")
	return name
}

// readMemory reads some bytes of the memory of a process, or less at its end.
func readMemory(pid uint32, at uint64, size int) []byte {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil
	}
	defer f.Close()
	text := make([]byte, size)
	k, _ := f.ReadAt(text, int64(at))
	return text[:k]
}
