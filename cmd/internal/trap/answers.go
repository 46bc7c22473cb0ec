package trap

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Count counts calls, and lets them be done.
func Count(n *int) Before {
	return func(Call) error {
		*n++
		return nil
	}
}

// Nth asks before the n-th call alone, counted from 1.
func Nth(n int, before Before) Before {
	count := 0
	return func(c Call) error {
		if count++; count != n {
			return nil
		}
		return before(c)
	}
}

// From asks before the n-th call, counted from 1, and those after it: of processes that
// are killed others may have come to a call too.
func From(n int, before Before) Before {
	count := 0
	return func(c Call) error {
		if count++; count < n {
			return nil
		}
		return before(c)
	}
}

// Only asks before such calls alone.
func Only(such func(Call) bool, before Before) Before {
	return func(c Call) error {
		if !such(c) {
			return nil
		}
		return before(c)
	}
}

// Any is for Only: all calls.
func Any(Call) bool { return true }

// Of is for Only: the calls of a tool.
func Of(tool string) func(Call) bool { return func(c Call) bool { return c.Tool == tool } }

// Changes is for Only: all calls but those that write records.
func Changes(c Call) bool { return c.Nr != unix.SYS_WRITE }

// Fail lets a call fail.
func Fail(errno unix.Errno) Before { return func(Call) error { return errno } }

// Kill kills all that the shell code has started, and the shell.
func Kill(c Call) error {
	if err := KillGroup(c.Group); err != nil {
		return err
	}
	return ErrDead
}

// KillGroup kills all processes of a group. It is no error if they have ended.
func KillGroup(group int) error {
	if err := unix.Kill(-group, unix.SIGKILL); err != nil && err != unix.ESRCH {
		return err
	}
	return nil
}

// KillTool kills the process of a group that has a tool's name, if it still runs.
func KillTool(group int, tool string) error {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	for _, name := range all {
		var pid, parent, its int
		var state byte
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), "("+tool+")") {
			continue
		}
		rest := strings.ReplaceAll(string(text), "("+tool+")", "")
		if _, err := fmt.Sscanf(rest, "%d %c %d %d", &pid, &state, &parent, &its); err == nil && its == group {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
				return err
			}
		}
	}
	return nil
}
