package terminal_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"cfs/lib/internal/pty"
	"cfs/lib/terminal"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain text": "plain text", "größe 日本 🙂": "größe 日本 🙂", `back\slash`: `back\slash`,
		"one\ntwo\n":        "one; two; ",
		"\x1b[31mred\x07":   `\x1b[31mred\x07`,
		"tab\there\r\x00":   `tab\x09here\x0d\x00`,
		"\u009b2J\x7f":      `\x9b2J\x7f`,
		"bad \xff\xfe\xc3x": "bad \uFFFDx",
	} {
		if got := terminal.Line(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzLine: whatever the text, it is one line that does nothing to a terminal; and to do
// it again changes nothing.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{"", "a\nb", "\x1b[31m", "\u009b\xff", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := terminal.Line(text)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || terminal.Line(got) != got {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}

// TestIsDrawable: a terminal is, if it knows its size; a file and a pipe are not.
func TestIsDrawable(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for name, v := range map[string]struct {
		f    *os.File
		want bool
	}{
		"a file": {file, false}, "a pipe": {w, false}, "/dev/null": {openNull(t), false},
		"a terminal of 80 columns": {pty.Open(t, 80).Terminal, true}, "a terminal of no size": {pty.Open(t, 0).Terminal, false},
	} {
		if got := terminal.IsDrawable(v.f); got != v.want {
			t.Errorf("%s: %v", name, got)
		}
		if got, want := terminal.Is(v.f), strings.HasPrefix(name, "a terminal"); got != want {
			t.Errorf("%s is a terminal: %v", name, got)
		}
	}
	for _, env := range []string{"TERM=dumb", "TERM=", "NO_COLOR=1"} {
		t.Run(env, func(t *testing.T) {
			name, value, _ := strings.Cut(env, "=")
			t.Setenv(name, value)
			if terminal.IsDrawable(pty.Open(t, 80).Terminal) {
				t.Error("is drawn on")
			}
		})
	}
	file.Close()
	if terminal.IsDrawable(file) {
		t.Error("a file that is closed")
	}
}

func openNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestName: different names are different text, and do nothing to a terminal.
func TestName(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "plain name": "plain name", "größe 日本": "größe 日本", `a"b`: `a"b`, `a\b`: `a\\b`, `a\"b`: `a\\"b`, "a\nb": `a\nb`,
		"\x1b[31m": `\x1b[31m`, "\xff": `\xff`, "\u009b": `\u009b`, "\u202ea": `\u202ea`,
	} {
		if got := terminal.Name(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := terminal.NameFor(openNull(t))("\x1b"); got != "\x1b" {
		t.Errorf("for a program: %q", got)
	}
	if got := terminal.NameFor(pty.Open(t, 80).Terminal)("\x1b"); got != `\x1b` {
		t.Errorf("for a person: %q", got)
	}
}

// FuzzJSON: whatever a string is, its JSON means the same and has no control characters.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{"", "\x7f\u009b", "\x1b\u0080\u00a0", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		safe := terminal.JSON(plain)
		var want, got string
		if err := errors.Join(json.Unmarshal(plain, &want), json.Unmarshal(safe, &got)); err != nil || got != want {
			t.Errorf("%q becomes %q: %v", want, got, err)
		}
		if strings.ContainsFunc(string(safe), unicode.IsControl) {
			t.Errorf("%q", safe)
		}
	})
}
