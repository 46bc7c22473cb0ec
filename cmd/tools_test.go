// Package cmd tests the tools as users run them: as programs, in pipes.
package cmd

import (
	"os"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/footprint"
	"cfs/cmd/internal/trap"
)

// vectors is the folder of what the reference made.
const vectors = "../../shared/vectors"

func TestMain(m *testing.M) {
	trap.Main()
	footprint.Main()
	cmdtest.Main(m)
}

type result = cmdtest.Result

// shell runs sh code with the tools in PATH, and the repository in $COMPOSEFS_REPO if
// repo is not empty.
func shell(t testing.TB, repo, code string) result {
	t.Helper()
	return cmdtest.Shell(t, "", code, variables(repo)...)
}

// must is shell for what has to succeed; it returns stdout.
func must(t testing.TB, repo, code string) string {
	t.Helper()
	return cmdtest.Must(t, "", code, variables(repo)...)
}

// trapped is shell, but asks before each system call by which a tool changes something.
func trapped(t testing.TB, repo, code string, before trap.Before) result {
	t.Helper()
	return trap.Run(t, code, environ(t, repo), before)
}

// environ is the environment in which shell runs.
func environ(t testing.TB, repo string) []string {
	t.Helper()
	return cmdtest.Env(t, variables(repo)...)
}

func variables(repo string) []string {
	list := []string{"HOME=" + os.TempDir()}
	if repo != "" {
		list = append(list, "COMPOSEFS_REPO="+repo)
	}
	return list
}

// wantError checks that a command failed with a status, and said each of parts.
func wantError(t testing.TB, r result, status int, parts ...string) {
	t.Helper()
	if r.Status != status {
		t.Errorf("exit status %d, want %d\n%s%s", r.Status, status, r.Stdout, r.Stderr)
	}
	for _, part := range parts {
		if !strings.Contains(r.Stderr, part) {
			t.Errorf("stderr does not say %q:\n%s", part, r.Stderr)
		}
	}
	if strings.Contains(r.Stderr, "panic") || strings.Contains(r.Stderr, "goroutine ") {
		t.Errorf("it crashed:\n%s", r.Stderr)
	}
}
