package tool

import (
	"cfs/lib/corrupt"
	"cfs/lib/flock"
	"cfs/lib/progress"
	"cfs/lib/repo"
	"cfs/lib/temporary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Exit statuses.
const (
	Failed   = 1
	Usage    = 2
	NotFound = 3
	Corrupt  = 4
	Locked   = 5
	TryAgain = 75 // EX_TEMPFAIL of sysexits.h
)

// statusError is an error with an exit status of its own, and maybe a hint.
type statusError struct {
	status int
	err    error // nil if somebody has said it already
	hint   string
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("status %d", e.status)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// UsageError is an error about how the command was called: status 2.
func UsageError(format string, args ...any) error {
	return &statusError{Usage, fmt.Errorf(format, args...), "try --help"}
}

// Silent ends the command with a status about which another stage, or the command
// itself, has said all.
func Silent(status int) error { return &statusError{status: status} }

// Hint adds a line that says what to do about an error.
func Hint(err error, format string, args ...any) error {
	return &statusError{Status(err), err, fmt.Sprintf(format, args...)}
}

// Status returns the exit status for an error.
func Status(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, repo.ErrAmbiguous):
		return Usage
	case corrupt.Is(err), corrupt.IsUnreadable(err):
		return Corrupt
	case errors.Is(err, flock.ErrLocked):
		return Locked
	case temporary.Is(err):
		return TryAgain
	case errors.Is(err, fs.ErrNotExist):
		return NotFound
	}
	return Failed
}

// report prints an error on one line, and its hint, and returns the exit status.
func report(err error, out *progress.Printer) int {
	e, special := errors.AsType[*statusError](err)
	if err == nil || special && e.err == nil {
		return Status(err)
	}
	status, hint := Status(err), ""
	switch {
	case special:
		hint = e.hint
	case status == TryAgain:
		hint = "run the same command again"
	}
	out.Error(err, status, hint)
	return status
}

// quote writes a word for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
