// Package temporary marks errors that a retry may resolve: the network failed, a directory
// changed while it was read, or stored data has since been garbage-collected. The tools turn such
// an error into exit status 75.
package temporary

import (
	"errors"
	"fmt"
)

// Error is an error that may pass.
type Error struct{ err error }

// Errorf formats as fmt.Errorf does, %w included, and marks the result as temporary.
func Errorf(format string, args ...any) error {
	return &Error{fmt.Errorf(format, args...)}
}

// Is reports whether err, or an error that it wraps, is temporary.
func Is(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the formatted error, so that errors.Is sees what it wraps.
func (e *Error) Unwrap() error { return e.err }
