package cmd

import (
	"path/filepath"
	"runtime"
	"testing"

	"cfs/cmd/cmdtest"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/*.txtar, each in a folder of its own with the tools in
// PATH and $COMPOSEFS_REPO naming a repository that is not there yet.
func TestScripts(t *testing.T) {
	bin := cmdtest.Tools(t)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		WorkdirRoot:        cmdtest.Scratch(t),
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
