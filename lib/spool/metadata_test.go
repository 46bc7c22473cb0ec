package spool

import (
	"os"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// TestFault7PowerCutSpool: what a power cut leaves of the files of the layout does not make
// the spool unusable: they are made anew.
func TestFault7PowerCutSpool(t *testing.T) {
	for _, name := range []string{v1.ImageLayoutFile, v1.ImageIndexFile} {
		dir := t.TempDir()
		open(t, dir)
		whole, err := os.ReadFile(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		half := string(whole[:len(whole)/2])
		for _, left := range []string{"", half, half + "\x00\x00", strings.Repeat("\x00", len(whole)), string(whole[:1]), "\n"} {
			write(t, dir+"/"+name, left)
			if _, err := Open(t.Context(), dir); err != nil {
				t.Errorf("%s is %q: %v", name, left, err)
			}
			if got, err := os.ReadFile(dir + "/" + name); err != nil || string(got) != string(whole) {
				t.Errorf("%s was %q, now it is %q, %v", name, left, got, err)
			}
		}
	}
}

// TestFault7Garbage: what no power cut leaves stays, and the error names file and cure.
func TestFault7Garbage(t *testing.T) {
	for name, garbage := range map[string]string{
		v1.ImageLayoutFile: "garbage", v1.ImageIndexFile: `{"schemaVersion":2,"manifests":7}`,
	} {
		dir := t.TempDir()
		open(t, dir)
		write(t, dir+"/"+name, garbage)
		_, err := Open(t.Context(), dir)
		if !corrupt.Is(err) || !strings.Contains(err.Error(), "remove "+dir+"/"+name) {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := os.ReadFile(dir + "/" + name); err != nil || string(text) != garbage {
			t.Errorf("%s is %q now, %v", name, text, err)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
