package repo

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked means that somebody else kept a lock for longer than was waited.
var ErrLocked = errors.New("locked")

// Lock says how to lock: with flock(2) on a directory, as the reference does, so
// that both exclude each other.
type Lock struct {
	Exclusive bool
	Timeout   time.Duration        // how long to wait, 0 for not at all
	Waiting   func(holders string) // called once, when it takes long; may be nil
}

// patience is how long a wait is not worth a word.
const patience = 2 * time.Second

// take locks f. It asks again and again instead of blocking, because flock(2) has
// no time-out and a signal would not end a blocked one that Go restarts.
func (l Lock) take(f *os.File) error {
	how := unix.LOCK_SH
	if l.Exclusive {
		how = unix.LOCK_EX
	}
	start, pause, told := time.Now(), time.Millisecond, false
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			return fmt.Errorf("flock: %w", err)
		}
		waited := time.Since(start)
		if waited >= l.Timeout {
			return fmt.Errorf("%w by %s", ErrLocked, holders(f))
		}
		if waited >= patience && !told && l.Waiting != nil {
			l.Waiting(holders(f))
			told = true
		}
		time.Sleep(min(pause, l.Timeout-waited))
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// holders names the processes that have f locked, from /proc/locks (proc(5)).
func holders(f *os.File) string {
	var st unix.Stat_t
	locks, err := os.Open("/proc/locks")
	if err != nil || unix.Fstat(int(f.Fd()), &st) != nil {
		return "another process"
	}
	defer locks.Close()
	inode := fmt.Sprintf(":%d", st.Ino)
	var names []string
	for s := bufio.NewScanner(locks); s.Scan(); {
		// 1: FLOCK ADVISORY READ 1234 fe:00:5678 0 EOF; who waits has "->" second
		field := strings.Fields(s.Text())
		if len(field) < 6 || field[1] != "FLOCK" || !strings.HasSuffix(field[5], inode) {
			continue
		}
		comm, err := os.ReadFile("/proc/" + field[4] + "/comm")
		if err != nil {
			comm = []byte("process")
		}
		names = append(names, fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(comm)), field[4]))
	}
	if names == nil {
		return "another process"
	}
	return strings.Join(names, ", ")
}

// LockStreams takes the lock that keeps two writers from losing each other's
// references: whoever rewrites a stream that has a name holds it from reading the
// old one until the new one, and all that refers to it, has its name. The function
// returned releases it.
func (r *Repo) LockStreams(l Lock) (release func() error, err error) {
	if err := r.mkdir("streams"); err != nil {
		return nil, err
	}
	f, err := r.root.Open("streams")
	if err != nil {
		return nil, err
	}
	l.Exclusive = true
	if err := l.take(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("repository %s: streams: %w", r.Path, err)
	}
	return f.Close, nil
}

// Inherit lets programs that this process turns into or starts keep the lock.
func (r *Repo) Inherit() error {
	_, err := unix.FcntlInt(r.dir.Fd(), unix.F_SETFD, 0)
	return err
}
