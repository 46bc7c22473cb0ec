//go:build amd64 && !purego

package lanes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The assembly is what the generator in _asm makes.
func TestGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the generator")
	}
	made := t.TempDir()
	cmd := exec.Command("go", "run", ".", "-out", filepath.Join(made, "sha512_amd64.s"), "-stubs", filepath.Join(made, "sha512_amd64.go"), "-pkg", "lanes")
	cmd.Dir = "_asm"
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); bytes.Contains(out, []byte("module lookup disabled")) {
		t.Skip("NOT TESTED: the modules of the generator are not there: go generate in lib/lanes/_asm downloads them")
	} else if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"sha512_amd64.s", "sha512_amd64.go"} {
		want, err := os.ReadFile(filepath.Join(made, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// The first line has the options.
		_, want, _ = bytes.Cut(want, []byte("\n"))
		_, got, _ = bytes.Cut(got, []byte("\n"))
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the generator makes: run go generate in lib/lanes/_asm", name)
		}
	}
}
