package cmd

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/testdata/wild"
)

// TestWildCases: each case of the corpus has a name of its own, which is a tag, a tree or a
// refusal, and the same files each time. (The go command runs no tests below testdata.)
func TestWildCases(t *testing.T) {
	cases := wild.Cases()
	if len(cases) < 240 {
		t.Errorf("%d cases", len(cases))
	}
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.Name] || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("name %q", c.Name)
		}
		seen[c.Name] = true
		if (c.Want == "") != (c.Status != 0) || (c.Says == "") != (c.Status == 0) || c.Status != 0 && c.Strict == 0 {
			t.Errorf("%s: want %q, status %d, says %q, strict %d", c.Name, c.Want, c.Status, c.Says, c.Strict)
		}
		if first, again := written(t, c), written(t, c); first != again {
			t.Errorf("%s: other files", c.Name)
		}
	}
}

// written returns the names and the content of the files of a case.
func written(t *testing.T, c wild.Case) string {
	t.Helper()
	dir := t.TempDir()
	if err := c.Write(dir); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all.WriteString(path[len(dir):] + "\n" + string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestWildListing: what the short form of a tree stands for.
func TestWildListing(t *testing.T) {
	c := wild.Case{Want: "/b/ /a/c=x*2 /a/,0700 /d>t /e!p,0600 /f\xe9="}
	want := "d 0700 /a\nf 0644 /a/c 1 2d711642b726b044 nlink=2\nd 0755 /b\nl 0777 /d -> t\np 0600 /e\n" +
		`f 0644 /f\xe9 0 e3b0c44298fc1c14` + "\n"
	if got := c.Listing(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
