package scan

import (
	"time"

	"golang.org/x/sys/unix"
)

// stamp changes whenever its file does.
type stamp struct {
	file
	size         int64
	mtime, ctime unix.Timespec
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{file{st.Dev, st.Ino}, st.Size, st.Mtim, st.Ctim}
}

// Before Linux 6.13 the times of files move on in ticks of the kernel's clock, the
// longest of which is this. Two changes within one look like one.
const tick = 10 * time.Millisecond

// patience is how many ticks a file may take to hold still.
const patience = 20

// settled returns the status that stat gives, once the last change lies so far back
// that the next one will show. A time to come, from the clock of another machine, is
// not waited for.
func settled(stat func(*unix.Stat_t) error) (st unix.Stat_t, err error) {
	for range patience {
		if err := stat(&st); err != nil {
			return st, err
		}
		age := time.Since(time.Unix(st.Ctim.Unix()))
		if age < 0 || age >= tick {
			return st, nil
		}
		time.Sleep(tick - age)
	}
	return st, ErrChanged
}

// unlessChanged returns ErrChanged if the status is not what it was before, else
// err: what went wrong with a file that changed went wrong because of that.
func unlessChanged(err error, before *unix.Stat_t, stat func(*unix.Stat_t) error) error {
	var after unix.Stat_t
	if err := stat(&after); err != nil {
		return err
	}
	if stampOf(&after) != stampOf(before) {
		return ErrChanged
	}
	return err
}

// check looks whether d, which fd is open of, and all directories below it are as they
// were when they were listed.
func (d *dir) check(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return d.fail("", "stat", err)
	}
	if stampOf(&st) != d.stamp {
		return d.fail("", "read", ErrChanged)
	}
	for _, sub := range d.subs {
		if err := sub.checkIn(fd); err != nil {
			return err
		}
	}
	return nil
}

// checkIn is check for a directory in the one that parent is open of.
func (d *dir) checkIn(parent int) error {
	if len(d.subs) == 0 {
		var st unix.Stat_t
		if err := fstatat(parent, d.name, &st); err != nil {
			return d.fail("", "stat", err)
		}
		if stampOf(&st) != d.stamp {
			return d.fail("", "read", ErrChanged)
		}
		return nil
	}
	fd, err := openat(parent, d.name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return d.fail("", "open", err)
	}
	defer unix.Close(fd)
	return d.check(fd)
}
