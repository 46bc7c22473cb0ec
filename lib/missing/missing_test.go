package missing

import (
	"errors"
	"io"
	"io/fs"
	"testing"
)

func TestErrorf(t *testing.T) {
	err := Errorf("no tag %q: %w", "a", io.EOF)
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, io.EOF) || err.Error() != `no tag "a": EOF` {
		t.Errorf("%v", err)
	}
}
