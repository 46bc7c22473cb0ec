package fd

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Others says who else may put files into the folder besides root and this user, "" if
// nobody may. The folders above it are not looked at, nor those in it.
func (r *Root) Others() (string, error) {
	var st unix.Stat_t
	if err := Use(r.dir, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return "", fail("fstat", r.Name(), err)
	}
	switch {
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Sprintf("belongs to the user with ID %d", st.Uid), nil
	case st.Mode&0o022 != 0:
		return fmt.Sprintf("has mode %04o: others than its owner may write to it", st.Mode&0o7777), nil
	}
	return "", nil
}
