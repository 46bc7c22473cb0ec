// Package flock locks open files and directories with flock(2), with a time-out, and reports the
// processes that hold a lock. The lock belongs to the open file: closing it, or the end of the
// process, releases it. It excludes other users of flock(2), such as the reference, but not users
// of fcntl(2).
package flock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
)

// ErrLocked means that another process kept a lock for longer than the time-out.
var ErrLocked = errors.New("locked")

// Forever is a Timeout without an end: the wait ends with the lock or with the context.
const Forever time.Duration = math.MaxInt64

// Lock says how to lock. The zero value is a shared lock that is had at once or not at all.
type Lock struct {
	Exclusive bool
	Timeout   time.Duration        // how long to wait: 0 for not at all, or Forever
	Waiting   func(holders string) // called once, when the wait takes long; may be nil
}

const (
	patience     = 2 * time.Second        // how long a wait is not worth a message
	longestPause = 100 * time.Millisecond // between two attempts; the first pause is 1 ms
)

// Take locks f, or changes the lock that f has. It asks again and again instead of
// blocking, because flock(2) has no time-out, and because Go restarts a blocked call that
// a signal interrupted. The error wraps ErrLocked, and names the processes that hold the
// lock, when the time is up. It is that of ctx when that ends first.
func (l Lock) Take(ctx context.Context, f *os.File) error {
	how := unix.LOCK_SH
	if l.Exclusive {
		how = unix.LOCK_EX
	}
	start, pause := time.Now(), time.Millisecond
	for {
		err := fd.Use(f, func(fd int) error { return unix.Flock(fd, how|unix.LOCK_NB) })
		if err == nil {
			return nil
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			return fmt.Errorf("flock: %w", err)
		}
		waited := time.Since(start)
		if waited >= patience && l.Waiting != nil {
			l.Waiting(holders(f))
			l.Waiting = nil
		}
		if waited >= l.Timeout {
			return fmt.Errorf("%w by %s", ErrLocked, holders(f))
		}
		select {
		case <-time.After(min(pause, l.Timeout-waited)):
		case <-ctx.Done():
			return ctx.Err()
		}
		pause = min(2*pause, longestPause)
	}
}
