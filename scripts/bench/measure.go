package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what a command took: seconds, and bytes of memory.
type usage struct {
	Wall, User, Sys float64
	Peak            int64 `json:",omitempty"` // of all its processes, each at its peak; 0: not measured
}

func (u usage) wall() float64 { return u.Wall }
func (u usage) cpu() float64  { return u.User + u.Sys }

// command is shell code. $1 and what follows are its operands.
type command struct {
	code     string
	operands []string
	env      []string
}

// measure runs a command, from an empty folder of its own where what it says goes to the
// file stdout. It counts the processes that outlive the shell too, which a script that waits for the
// last stage of a pipe leaves behind.
func (b *bench) measure(c command, dir string, path string) (u usage, err error) {
	out, err := os.Create(filepath.Join(dir, "stdout"))
	if err != nil {
		return u, err
	}
	defer out.Close()
	messages, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		return u, err
	}
	defer messages.Close()
	p := exec.Command("sh", append([]string{"-euc", c.code, "sh"}, c.operands...)...)
	p.Dir, p.Stdout, p.Stderr = dir, out, messages
	p.Env = append(append(os.Environ(), "PATH="+path), c.env...)
	p.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	start := time.Now()
	if err := p.Start(); err != nil {
		return u, err
	}
	status, err := b.wait(p.Process.Pid, &u)
	u.Wall = time.Since(start).Seconds()
	if err == nil && status != 0 {
		text, _ := os.ReadFile(messages.Name())
		err = fmt.Errorf("%s %q: exit status %d\n%s", c.code, c.operands, status, bytes.TrimSpace(text))
	}
	return u, err
}

// wait waits for all processes of a group, adds what they took to u, and returns the exit
// status of the first. A signal to this program ends them.
func (b *bench) wait(group int, u *usage) (status int, err error) {
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-b.ctx.Done():
			_ = unix.Kill(-group, unix.SIGTERM) // it may have ended
		case <-done:
		}
	}()
	for {
		var w unix.WaitStatus
		var r unix.Rusage
		pid, err := unix.Wait4(-group, &w, 0, &r)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return status, b.ctx.Err()
		case err != nil:
			return -1, err
		}
		u.User += float64(r.Utime.Nano()) / 1e9
		u.Sys += float64(r.Stime.Nano()) / 1e9
		if pid == group {
			if status = w.ExitStatus(); w.Signaled() {
				status = 128 + int(w.Signal())
			}
		}
	}
}
