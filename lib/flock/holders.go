package flock

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// holders names the processes that have f locked, from /proc/locks (proc_locks(5)).
func holders(f *os.File) string {
	const unknown = "another process"
	info, err := f.Stat()
	if err != nil {
		return unknown
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return unknown
	}
	defer locks.Close()
	inode := fmt.Sprintf(":%d", info.Sys().(*syscall.Stat_t).Ino)
	var names []string
	for s := bufio.NewScanner(locks); s.Scan(); {
		// 1: FLOCK ADVISORY READ 1234 fe:00:5678 0 EOF; who waits has "->" second
		field := strings.Fields(s.Text())
		if len(field) >= 6 && field[1] == "FLOCK" && strings.HasSuffix(field[5], inode) {
			names = append(names, processName(field[4]))
		}
	}
	if names == nil {
		return unknown
	}
	return strings.Join(names, ", ")
}

// processName returns "cfs-gc (pid 1234)".
func processName(pid string) string {
	comm, err := os.ReadFile("/proc/" + pid + "/comm")
	if err != nil {
		comm = []byte("process")
	}
	return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(comm)), pid)
}
