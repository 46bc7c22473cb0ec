package tool

import (
	"strings"
	"testing"
)

// TestNearest: what one may have meant, and nothing that one has not.
func TestNearest(t *testing.T) {
	commands := []string{"ls", "inspect", "show", "tag", "untag", "why", "which", "verify", "check", "info", "inhibit"}
	for word, want := range map[string]string{
		"lst": "ls", "list": "ls", "inpsect": "inspect", "chek": "check", "tags": "tag", "verfy": "verify", "wich": "which",
		"help": "", "nginx": "", "busybox": "", "x": "", "": "",
	} {
		if got := nearest(word, commands); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

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
