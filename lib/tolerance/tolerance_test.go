package tolerance_test

import (
	"errors"
	"testing"

	"cfs/lib/tolerance"
)

func TestRefuse(t *testing.T) {
	if err := tolerance.Strict(false).Refuse("%q", "x"); err != nil {
		t.Errorf("refused without strict rules: %v", err)
	}
	err := tolerance.Strict(true).Refuse("%q has no entry, %d%%", "x", 100)
	if !errors.Is(err, tolerance.ErrRefused) || err.Error() != `refused by --strict: "x" has no entry, 100%` {
		t.Errorf("got %v", err)
	}
}
