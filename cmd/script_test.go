package cmd

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/*.txtar, each in a folder of its own with the tools in
// PATH and $COMPOSEFS_REPO naming a repository that is not there yet.
func TestScripts(t *testing.T) {
	bin := buildTools(t)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		WorkdirRoot:        scratch(t),
		RequireUniqueNames: true,
		Cmds:               commands,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("COMPOSEFS_REPO", filepath.Join(e.WorkDir, "repo"))
			e.Setenv("LC_ALL", "C") // of what is not ours
			e.Setenv("GOARCH", runtime.GOARCH)
			e.Values[testKey{}] = e.T()
			return nil
		},
	})
}

// testKey is what the test of a script is found by among its values.
type testKey struct{}

// scratch returns a folder for repositories, in memory where there is one: the tools
// flush what they write, and on a disk most of the time would go there.
func scratch(t testing.TB) string {
	t.Helper()
	const memory = "/dev/shm"
	dir, err := os.MkdirTemp(memory, "cfs-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
