// Package tolerance is about what the tools accept and the reference does not.
// With --strict, they refuse it too.
package tolerance

import (
	"errors"
	"fmt"
)

// ErrRefused means that strict rules refuse what is accepted without them.
var ErrRefused = errors.New("refused by --strict")

// Strict says whether what the reference refuses is refused.
type Strict bool

// Refuse returns an error that wraps ErrRefused and says what is refused, nil if s is
// not set.
func (s Strict) Refuse(format string, args ...any) error {
	if !s {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}
