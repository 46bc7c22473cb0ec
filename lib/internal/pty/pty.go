// Package pty makes pseudo-terminals for tests (pty(7)).
package pty

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Pair is a pseudo-terminal: what programs write to Terminal is what is shown.
type Pair struct {
	Terminal *os.File

	shown strings.Builder
	read  sync.WaitGroup
}

// Open makes a terminal of so many columns, 0 for one that does not know its size. It is
// closed at the end of the test.
func Open(t testing.TB, columns uint16) *Pair {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("SKIPPED: no pseudo-terminals: ", err)
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil && columns > 0 {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &Pair{}
	if p.Terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	p.read.Go(func() { io.Copy(&p.shown, master) }) // until the terminal is closed: EIO
	t.Cleanup(func() {
		p.Close()
		master.Close()
	})
	return p
}

// Close closes the terminal, and returns all that was written to it.
func (p *Pair) Close() string {
	p.Terminal.Close()
	p.read.Wait()
	return p.shown.String()
}
