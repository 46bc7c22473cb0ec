package main

import (
	"os"
	"syscall"
	"time"
)

// used is what a program that has ended has used.
type used struct {
	cpu    time.Duration
	memory int64 // bytes at the most
}

func usedBy(p *os.ProcessState) used {
	return used{p.UserTime() + p.SystemTime(), p.SysUsage().(*syscall.Rusage).Maxrss << 10}
}
