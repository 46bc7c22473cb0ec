package boot

import (
	"strings"
	"testing"
)

const testEntry = "title T\t\r\n# c\n\nlinux /a/k\n initrd /a/i\ndevicetree-overlay /x /y\noptions one\nfoo bar\noptions\ttwo composefs=old\r\n\n"

func parseBLS(t *testing.T, text string) BLS {
	t.Helper()
	b, err := ParseBLS([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRewrite: paths are replaced, options are one line, all else stays.
func TestRewrite(t *testing.T) {
	b := parseBLS(t, testEntry)
	place := func(path string) string { return "/new" + path }
	if got := strings.Join(b.Paths(), " "); got != "/a/k /a/i /x /y" {
		t.Errorf("paths %s", got)
	}
	want := "title T\t\r\n# c\n\nlinux /new/a/k\ninitrd /new/a/i\ndevicetree-overlay /new/x /new/y\noptions O\nfoo bar\n"
	if got := string(b.Rewrite(place, "O")); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	if got := string(parseBLS(t, "linux /k\n").Rewrite(place, "O")); got != "linux /new/k\noptions O\n" {
		t.Errorf("no options: %q", got)
	}
	uki := parseBLS(t, "efi /u\noptions x\n")
	if got := string(uki.Rewrite(place, "")); got != "efi /new/u\n" || len(uki.Images()) != 1 {
		t.Errorf("a UKI: %q", got)
	}
}

// TestCheckLines: what a loader may take for another line is refused.
func TestCheckLines(t *testing.T) {
	for text, fine := range map[string]bool{testEntry: true, "title a\roptions composefs=x\n": false, "title a\x00\nlinux /k\n": false, "options\f x\n": false, "title\ta\n": true} {
		if err := parseBLS(t, text).CheckLines(); (err == nil) != fine {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzRewrite: what is rewritten has the paths and the options that were set, for any reader.
func FuzzRewrite(f *testing.F) {
	for _, seed := range []string{testEntry, "", "\n\n", "options", "options \n options x", "linux\nlinux  ", "efi /u\noptions a", "title a\rlinux /x", strings.Repeat("initrd /a\n", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseBLS([]byte(text))
		if err != nil || b.CheckLines() != nil {
			return
		}
		again, err := ParseBLS(b.Rewrite(func(string) string { return "/n" }, "O p"))
		if err != nil || again.CheckLines() != nil {
			t.Fatalf("%q cannot be read again: %v", text, err)
		}
		if again.Options() != "O p" || len(again.Values("options")) != 1 {
			t.Errorf("%q: options %q", text, again.Options())
		}
		if len(again.Paths()) != len(b.Paths()) {
			t.Errorf("%q: paths %q, then %q", text, b.Paths(), again.Paths())
		}
		for _, path := range again.Paths() {
			if path != "/n" {
				t.Errorf("%q keeps the path %q", text, path)
			}
		}
	})
}
