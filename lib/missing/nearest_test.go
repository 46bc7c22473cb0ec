package missing

import "testing"

// TestNearest: what one may have meant, and nothing that one has not.
func TestNearest(t *testing.T) {
	commands := []string{"ls", "inspect", "show", "tag", "untag", "why", "which", "verify", "check", "info", "inhibit"}
	for word, want := range map[string]string{
		"lst": "ls", "list": "ls", "inpsect": "inspect", "chek": "check", "tags": "tag", "verfy": "verify", "wich": "which",
		"help": "", "nginx": "", "busybox": "", "x": "", "": "",
	} {
		if got := Nearest(word, commands); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
