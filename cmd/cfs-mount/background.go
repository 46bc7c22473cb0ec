package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"cfs/lib/tool"
)

// readyVariable is set in the environment of a server in the background, which has inherited the write end of a pipe and
// writes a byte to it when the mount is there.
const (
	readyVariable = "CFS_MOUNT_SERVER"
	readyPipe     = 3
)

func isServer() bool { return os.Getenv(readyVariable) != "" }

// startServer starts this program again in the background, and returns when the mount is there. If the server fails it has said
// why, and the error is just its exit status.
func startServer() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ready, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	server := exec.Command(self, os.Args[1:]...)
	server.Env = append(os.Environ(), readyVariable+"=1")
	server.Stdout, server.Stderr = os.Stdout, os.Stderr
	server.ExtraFiles = []*os.File{told}
	server.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = server.Start()
	told.Close()
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	if n, _ := ready.Read(make([]byte, 1)); n == 1 {
		return server.Process.Release()
	}
	if exit, ok := errors.AsType[*exec.ExitError](server.Wait()); ok && exit.Exited() {
		return tool.Silent(exit.ExitCode())
	}
	return fmt.Errorf("the server has ended before the mount was there: %s", server.ProcessState)
}

// leaveParent leaves the terminal and the working directory, and has the parent end.
func leaveParent() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for n := range 3 {
		if err := unix.Dup3(int(null.Fd()), n, 0); err != nil {
			return err
		}
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	told := os.NewFile(readyPipe, "pipe")
	defer told.Close()
	_, err = told.Write([]byte{1})
	return err
}
