package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// theirs returns the folder in PATH that has mkcomposefs of the C project. One that is
// ours, as make install-compat installs it, names the tools of cfs as its version: to
// compare with that would say nothing.
func theirs(t *testing.T) string {
	t.Helper()
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		name := filepath.Join(dir, "mkcomposefs")
		if _, err := os.Stat(name); err != nil {
			continue
		}
		out, _ := exec.Command(name, "--version").CombinedOutput()
		if !strings.HasPrefix(string(out), "cfs-") {
			return dir
		}
	}
	t.Skip("NOT TESTED: no mkcomposefs of the C project in PATH")
	return ""
}

// TestTheirs: our stand-ins print and write what the tools of the C project do.
func TestTheirs(t *testing.T) {
	t.Parallel()
	dir, bin := t.TempDir(), theirs(t)
	must(t, dir, makeTree)
	for _, code := range []string{
		"mkcomposefs --print-digest-only tree",
		"mkcomposefs --print-digest --digest-store=STORE tree IMAGE && cat IMAGE && cd STORE && find . -type f | sort",
		"mkcomposefs --use-epoch --skip-xattrs --min-version=1 tree - | cat",
		"composefs-info dump IMAGE",
		"composefs-info dump IMAGE | mkcomposefs --from-file - - | cat",
		"composefs-info ls IMAGE IMAGE",
		"composefs-info --filter=sub ls IMAGE",
		"composefs-info objects IMAGE && composefs-info missing-objects --basedir=STORE IMAGE",
		"composefs-info measure-file tree/large IMAGE",
	} {
		ours := must(t, dir, strings.NewReplacer("IMAGE", "ours", "STORE", "ourstore").Replace(code))
		want := must(t, dir, "PATH="+bin+":$PATH; "+strings.NewReplacer("IMAGE", "theirs", "STORE", "theirstore").Replace(code))
		if ours != want {
			t.Errorf("%s: ours\n%.2000q\ntheirs\n%.2000q", code, ours, want)
		}
	}
}

// TestTheirsIsNotOurs: our stand-in is not taken for that of the C project.
func TestTheirsIsNotOurs(t *testing.T) {
	t.Setenv("PATH", strings.TrimSpace(must(t, "", "dirname $(command -v mkcomposefs)")))
	if !t.Run("search", func(t *testing.T) { t.Errorf("taken for theirs: %s", theirs(t)) }) {
		t.Error("mkcomposefs of ours was not passed over")
	}
}
