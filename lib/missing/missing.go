// Package missing marks errors about something that does not exist, with their own message:
// fs.ErrNotExist always says "file does not exist", even if the subject is not a file. The tools
// turn such an error into exit status 3.
package missing

import (
	"fmt"
	"io/fs"
)

// Error is an error about something that does not exist.
type Error struct{ err error }

// Errorf formats as fmt.Errorf does, %w included, and returns an error that is
// fs.ErrNotExist to errors.Is.
func Errorf(format string, args ...any) error {
	return &Error{fmt.Errorf(format, args...)}
}

func (e *Error) Error() string { return e.err.Error() }

// Is reports whether target is fs.ErrNotExist.
func (e *Error) Is(target error) bool { return target == fs.ErrNotExist }

// Unwrap returns the formatted error, so that errors.Is sees what it wraps.
func (e *Error) Unwrap() error { return e.err }
