package tool

import (
	"os"

	"golang.org/x/sys/unix"

	"cfs/lib/record"
)

// WatchReader ends the program when nobody can read its records any more: what it does
// would be of no use, and its next record may be an hour away. It has the status of one
// that SIGPIPE has killed. After a record of a failure the program ends by itself, when it
// has said what failed.
func WatchReader(out *record.Writer) {
	var st unix.Stat_t
	if err := unix.Fstat(unix.Stdout, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return
	}
	go func() {
		fds := []unix.PollFd{{Fd: int32(unix.Stdout)}} // that the reader is gone is always told
		for {
			_, err := unix.Poll(fds, -1)
			switch {
			case err == unix.EINTR:
			case err != nil || out.Failed():
				return
			case fds[0].Revents&unix.POLLERR != 0:
				os.Exit(128 + int(unix.SIGPIPE))
			}
		}
	}()
}
