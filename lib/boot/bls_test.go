package boot

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"cfs/lib/corrupt"
)

func TestBLSValues(t *testing.T) {
	b, err := ParseBLS([]byte("title  A title \nlinux /a\r\n linux /hidden\nlinux\nlinux\t/b\nlinuxx /c\n# linux /d\noptions rw\ninitrd \t\nefi /e\noptions quiet\nlinux /last"))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][]string{
		"title":   {"A title "},
		"linux":   {"/a\r", "/b", "/last"},
		"initrd":  {""},
		"efi":     {"/e"},
		"options": {"rw", "quiet"},
		"none":    nil,
	} {
		if got := b.Values(key); !slices.Equal(got, want) {
			t.Errorf("%s has the values %q, want %q", key, got, want)
		}
	}
	if got, want := b.Files(), []string{"/a\r", "/b", "/last", "", "/e"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if got := b.Cmdline(); got != "rw quiet" {
		t.Errorf("command line %q", got)
	}
	if _, err := ParseBLS([]byte("title \xff\n")); !corrupt.Is(err) {
		t.Errorf("what is not UTF-8 is read, error %v", err)
	}
}

// FuzzBLS: a value is the end of a line that begins with its key.
func FuzzBLS(f *testing.F) {
	for _, seed := range []string{"", "linux /vmlinuz\ninitrd /initrd\noptions a b\n", "linux\n", "linux \r\n\n efi x", "efi\u2003/x", "title \xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := ParseBLS(text)
		if err != nil {
			if utf8.Valid(text) || !corrupt.Is(err) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if len(text) > 1000 {
			return // each value is looked for in each line
		}
		lines := strings.Split(string(text), "\n")
		for _, key := range []string{"linux", "initrd", "efi", "options"} {
			for _, value := range b.Values(key) {
				if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, key) && strings.HasSuffix(line, value) }) {
					t.Errorf("%s has the value %q", key, value)
				}
			}
		}
	})
}
