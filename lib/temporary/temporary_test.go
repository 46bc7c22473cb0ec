package temporary_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/temporary"
)

// TestIs: an error stays marked however it is wrapped, and what it wraps stays there,
// another mark too.
func TestIs(t *testing.T) {
	plain := fmt.Errorf("blob: %w", fs.ErrNotExist)
	marked := temporary.Errorf("try %d: %w", 3, plain)
	if marked.Error() != "try 3: blob: file does not exist" || !errors.Is(marked, fs.ErrNotExist) {
		t.Errorf("got %q", marked)
	}
	for _, v := range []struct {
		err                error
		temporary, corrupt bool
	}{
		{nil, false, false}, {plain, false, false}, {marked, true, false}, {fmt.Errorf("layer: %w", marked), true, false},
		{errors.Join(plain, marked), true, false}, {corrupt.Errorf("x"), false, true}, {temporary.Errorf("x: %w", corrupt.Errorf("y")), true, true},
		{fmt.Errorf("text only: %v", marked), false, false},
	} {
		if temporary.Is(v.err) != v.temporary || corrupt.Is(v.err) != v.corrupt {
			t.Errorf("%v: temporary %v, corrupt %v", v.err, temporary.Is(v.err), corrupt.Is(v.err))
		}
	}
}
