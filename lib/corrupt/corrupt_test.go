package corrupt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

func TestIs(t *testing.T) {
	marked := Errorf("header: %w", io.ErrUnexpectedEOF)
	if !Is(marked) || !Is(fmt.Errorf("layer: %w", marked)) || !errors.Is(marked, io.ErrUnexpectedEOF) {
		t.Error("a marked error is not found, or what it wraps is not")
	}
	if Is(nil) || Is(io.ErrUnexpectedEOF) {
		t.Error("an error without the mark is found")
	}
	if got := marked.Error(); got != "header: unexpected EOF" {
		t.Errorf("got %q", got)
	}
}

// TestMachine: an error of the machine is never marked, however it is wrapped; one about
// something missing is.
func TestMachine(t *testing.T) {
	for _, err := range []error{
		syscall.EIO, syscall.EMFILE, syscall.ENOMEM, syscall.EACCES, syscall.EINTR, syscall.ESTALE, syscall.EUCLEAN, syscall.ELOOP,
		&fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}, os.NewSyscallError("syncfs", syscall.EIO),
		&fs.PathError{Op: "read", Path: "x", Err: fs.ErrClosed}, os.ErrDeadlineExceeded, context.Canceled, context.DeadlineExceeded,
		errors.Join(errors.New("header"), syscall.EIO), Unreadable(syscall.EIO),
	} {
		got := Errorf("header %d: %w", 1, fmt.Errorf("block: %w", err))
		if Is(got) || !errors.Is(got, err) || !strings.HasPrefix(got.Error(), "header 1: block: ") {
			t.Errorf("%v: marked %v, text %q", err, Is(got), got)
		}
	}
	for _, err := range []error{syscall.ENOENT, &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, fs.ErrNotExist, io.EOF, errors.New("odd")} {
		if !Is(Errorf("root: %w", err)) {
			t.Errorf("%v is not marked", err)
		}
	}
}

// TestDamage: what is corrupt, missing or unreadable is damage, and nothing else is.
func TestDamage(t *testing.T) {
	unreadable := fmt.Errorf("object: %w", Unreadable(&fs.PathError{Op: "read", Path: "x", Err: syscall.EIO}))
	if !IsUnreadable(unreadable) || Is(unreadable) || !errors.Is(unreadable, syscall.EIO) || unreadable.Error() != "object: read x: input/output error" {
		t.Errorf("unreadable: %v", unreadable)
	}
	for _, err := range []error{Errorf("digest"), syscall.ENOENT, fs.ErrNotExist, unreadable} {
		if !IsDamage(fmt.Errorf("layer: %w", err)) || OrMissing(err) == IsUnreadable(err) {
			t.Errorf("%v is no damage, or of another kind", err)
		}
	}
	for _, err := range []error{nil, syscall.EIO, syscall.EMFILE, errors.New("odd"), io.ErrUnexpectedEOF} {
		if IsDamage(err) || IsUnreadable(err) || OrMissing(err) {
			t.Errorf("%v is damage", err)
		}
	}
}

// TestSource: errors of the reader come as they are, whatever the decoder says.
func TestSource(t *testing.T) {
	broken := errors.New("the disk is broken")
	s := &Source{In: io.MultiReader(strings.NewReader("text"), iotest.ErrReader(broken))}
	if got, err := io.ReadAll(s); string(got) != "text" || err != broken {
		t.Errorf("read %q, %v", got, err)
	}
	if got := s.Errorf("header: %w", errors.New("bad")); got != broken {
		t.Errorf("got %v", got)
	}
	s = &Source{In: strings.NewReader("text")}
	if _, err := io.ReadAll(s); err != nil {
		t.Error(err)
	}
	if got := s.Errorf("header: %w", io.ErrUnexpectedEOF); !Is(got) || got.Error() != "header: unexpected EOF" {
		t.Errorf("got %v", got)
	}
}

func TestUnexpectedEOF(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{nil, nil}, {io.EOF, io.ErrUnexpectedEOF}, {io.ErrUnexpectedEOF, io.ErrUnexpectedEOF}, {fs.ErrNotExist, fs.ErrNotExist},
	} {
		if got := UnexpectedEOF(c.err); got != c.want || Is(got) {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}
