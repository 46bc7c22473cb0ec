package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSummary runs go test on a module with tests that end in each possible way.
func TestSummary(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"go.mod":             "module m\n\ngo 1.26\n",
		"good/a_test.go":     "package good\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Run(\"sub\", func(*testing.T) {}) }\n",
		"skips/a_test.go":    "package skips\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Skip(\"no\\n  disk\") }\nfunc TestB(t *testing.T) { t.Skip(\"no disk\") }\nfunc TestC(t *testing.T) { t.Skip(\"late\") }\n",
		"bad/a_test.go":      "package bad\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Error(\"it is broken\") }\nfunc TestB(*testing.T) {}\n",
		"panics/a_test.go":   "package panics\nimport \"testing\"\nfunc TestA(*testing.T) { panic(\"oh\") }\n",
		"exits/a_test.go":    "package exits\nimport (\"os\"; \"testing\")\nfunc TestA(*testing.T) { os.Exit(3) }\n",
		"unbuilt/a_test.go":  "package unbuilt\nimport \"testing\"\nfunc TestA(*testing.T) { undefinedThing() }\n",
		"untested/source.go": "package untested\n",
	} {
		file = filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tests := exec.Command("go", "test", "-json", "./...")
	tests.Dir = dir
	events, err := tests.Output()
	if err == nil {
		t.Fatal("go test did not fail")
	}
	var out strings.Builder
	s := summary{out: &out, log: io.Discard}
	if err := s.read(strings.NewReader(string(events))); err != nil {
		t.Fatal(err)
	}
	s.finish()
	for _, want := range []string{
		`(?m)^ok  \tm/good\t`, `(?m)^ok  \tm/skips\t`, `(?m)^FAIL\tm/bad$`, `(?m)^FAIL\tm/panics$`, `(?m)^FAIL\tm/exits$`, `(?m)^FAIL\tm/unbuilt$`,
		"it is broken", "panic: oh", "undefined: undefinedThing",
		`(?m)^  m/skips TestA and 1 more: no disk$`, `(?m)^  m/skips TestC: late$`,
		`\n3 passed, 4 failed, 3 skipped\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "untested") {
		t.Errorf("a package without tests is told of:\n%s", &out)
	}
}
