package corrupt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"
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

func TestUnexpectedEOF(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{nil, nil}, {io.EOF, io.ErrUnexpectedEOF}, {io.ErrUnexpectedEOF, io.ErrUnexpectedEOF}, {fs.ErrNotExist, fs.ErrNotExist},
	} {
		if got := UnexpectedEOF(c.err); got != c.want || Is(got) {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}
