// Package corrupt marks errors about data that does not match its name or its format: a digest
// mismatch, a wrong header, a truncated stream. The tools turn such an error into exit status 4;
// any other failure is a failure of the system or of the request.
//
// # An error is not knowledge
//
// An error about data is one of four answers, and no function may mistake one for another:
//
//   - corrupt (Errorf, Is): the bytes were read, and are wrong;
//   - missing (fs.ErrNotExist): the kernel reports that there is no such file;
//   - unreadable (Unreadable, IsUnreadable): the kernel has refused the content of an object
//     twice, as it does for a bad sector and for content that fails fs-verity (EIO, EUCLEAN,
//     EBADMSG). Only reads of an object's content can establish this: objects.File;
//   - all others (EMFILE, ENOMEM, EACCES, ESTALE, ..., and EIO of anything else: open, stat,
//     readlink, readdir, meta.json): the state of the data is unknown.
//
// This determines how errors are handled:
//
//   - Errors are marked where bytes are judged, never where they are read. An error of a reader
//     is passed on by fmt.Errorf. Where a decoder stands between the reader and the judge, a
//     Source distinguishes the two kinds. As a last guard, Errorf does not mark an error that
//     wraps a system error.
//   - If something is missing or corrupt (OrMissing), it may be created again, or looked for
//     elsewhere. On any other error the function fails: it has learnt nothing.
//   - A check (package fsck) treats the first three as damage (IsDamage), which repair removes. On
//     the fourth it ends, and nothing is repaired.
//   - Garbage collection (package gc) removes nothing unless it could read everything: an
//     unreadable object stops it like any other error.
//   - An incomplete list is an error.
package corrupt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Error is an error about corrupt or forged data.
type Error struct{ err error }

// Errorf formats as fmt.Errorf does, %w included, and marks the result as being about
// corrupt data. It does not mark an error that wraps one of the machine: what could not
// be read was not judged. What wraps fs.ErrNotExist is marked: that something is missing
// is known.
func Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if isMachine(err) {
		return err
	}
	return &Error{err}
}

// isMachine reports whether err says that something could not be done.
func isMachine(err error) bool {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno != syscall.ENOENT
	}
	for _, e := range []error{fs.ErrClosed, os.ErrDeadlineExceeded, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Is reports whether err, or an error that it wraps, is about corrupt data.
func Is(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the formatted error, so that errors.Is sees what it wraps.
func (e *Error) Unwrap() error { return e.err }

// unreadable is an error about content that the kernel refuses.
type unreadable struct{ err error }

// Unreadable marks the error of a read of an object's content that the kernel has refused
// twice.
func Unreadable(err error) error { return &unreadable{err} }

// IsUnreadable reports whether err, or an error that it wraps, is about content that the
// kernel refuses. Such an error is not about corrupt data: nobody has seen the data.
func IsUnreadable(err error) bool {
	var e *unreadable
	return errors.As(err, &e)
}

func (e *unreadable) Error() string { return e.err.Error() }

// Unwrap returns the error of the read.
func (e *unreadable) Unwrap() error { return e.err }

// OrMissing reports whether err says that data is corrupt or missing: it may be made anew,
// or looked for elsewhere.
func OrMissing(err error) bool { return Is(err) || errors.Is(err, fs.ErrNotExist) }

// IsDamage reports whether err says that data is corrupt, missing or unreadable. Any other
// error says that nobody can tell.
func IsDamage(err error) bool { return OrMissing(err) || IsUnreadable(err) }

// UnexpectedEOF returns io.ErrUnexpectedEOF for io.EOF, and any other err as it is. It is
// for where a format or a size promises more input. The result is not marked as corrupt:
// whether the input is data that lies, only the caller knows.
func UnexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
