package tool

import (
	"strings"
	"testing"
)

// TestUnexpected: an operand of a command that takes none may be a mistyped command.
func TestUnexpected(t *testing.T) {
	o := &Options{Operands: []string{"chek"}}
	if err := o.Unexpected(); err.Error() != `unexpected operand "chek"` {
		t.Error(err)
	}
	o.commands = []string{"check", "info"}
	if err := o.Unexpected(); Status(err) != Usage || !strings.HasSuffix(err.Error(), "commands are check, info; did you mean check?") {
		t.Error(err)
	}
	for word, wrong := range map[string]bool{"help": true, "inf": true, "registry.example/check": false, "debian": false} {
		if err := o.CheckCommand(word, "./"+word); (err != nil) != wrong || wrong && !strings.Contains(err.Error(), "to use it as an operand, write ./"+word) {
			t.Errorf("%s: %v", word, err)
		}
	}
}
