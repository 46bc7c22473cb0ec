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
	name := readString(c.pid, c.args[at[1]])
	if filepath.IsAbs(name) {
		return name
	}
	dir := int32(c.args[at[0]])
	if dir == unix.AT_FDCWD {
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", c.pid))
		return filepath.Join(cwd, name)
	}
	return filepath.Join(c.file(uint64(dir)), name)
}

// file returns what is behind a descriptor, "" if nothing is. A file that has lost its name,
// or never had one, ends with " (deleted)".
func (c Call) file(fd uint64) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.pid, int32(fd)))
	return name
}

// readString reads a path in the memory of a process.
func readString(pid uint32, at uint64) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, unix.PathMax)
	k, _ := f.ReadAt(text, int64(at)) // less at the end of the memory
	name, _, _ := strings.Cut(string(text[:k]), "\x00")
	return name
}
