// Package corrupt marks errors about data that is not what its name or its
// format says: a digest that does not match, a header that lies, a truncated
// stream. The tools turn such an error into exit status 4; every other failure
// is a failure of the machine or of the request.
package corrupt

import (
	"errors"
	"fmt"
	"io"
)

// Error is an error about corrupt or forged data.
type Error struct{ err error }

// Errorf formats as fmt.Errorf does, %w included, and marks the result as
// being about corrupt data.
func Errorf(format string, args ...any) error {
	return &Error{fmt.Errorf(format, args...)}
}

// Is reports whether err, or an error that it wraps, is about corrupt data.
func Is(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the formatted error, so that errors.Is sees what it wraps.
func (e *Error) Unwrap() error { return e.err }

// UnexpectedEOF returns io.ErrUnexpectedEOF for io.EOF, and any other err as it is. It is
// for where a format or a size promises more input. The result is not marked as corrupt:
// whether the input is data that lies, only the caller knows.
func UnexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
