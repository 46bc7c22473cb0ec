// Package cmd tests the tools as their users run them: as programs, in pipes.
package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// vectors is the folder of what the reference made.
const vectors = "../../shared/vectors"

func TestMain(m *testing.M) {
	if os.Getenv(trapEnv) != "" {
		turnTrapped(os.Args[1:])
	}
	status := m.Run()
	if tools.dir != "" {
		os.RemoveAll(tools.dir)
	}
	os.Exit(status)
}

// tools are the programs under test, built once.
var tools struct {
	once sync.Once
	dir  string
	err  error
}

// buildTools builds the tools and returns the folder in which they are, cfs-pull
// among them. They are static, so they also run where this system is not.
func buildTools(t testing.TB) (binDir string) {
	t.Helper()
	if dir := os.Getenv(toolsEnv); dir != "" {
		return dir
	}
	// That the go command sees these files read is what makes it run the tests
	// again when the tools have changed.
	for _, root := range []string{".", "../lib", "../scripts"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = os.Stat(name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	tools.once.Do(func() { tools.dir, tools.err = build() })
	if tools.err != nil {
		t.Fatal(tools.err)
	}
	return tools.dir
}

func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "cfs-tools-"); err != nil {
		return "", err
	}
	// Others than the user who runs the tests run the tools too.
	if err := os.Chmod(dir, 0o755); err != nil {
		return dir, err
	}
	c := exec.Command("go", "build", "-ldflags", "-s -w", "-o", dir, "./...")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%v: %w\n%s", c.Args, err, out)
	}
	script, err := os.ReadFile("../scripts/cfs-pull")
	if err != nil {
		return dir, err
	}
	return dir, os.WriteFile(filepath.Join(dir, "cfs-pull"), script, 0o755)
}

// result is what a command left.
type result struct {
	stdout, stderr string
	status         int // -1 for one that was killed
}

// shell runs sh code with the tools in PATH, and the repository in $COMPOSEFS_REPO
// if repo is not empty.
func shell(t testing.TB, repo, code string) result {
	t.Helper()
	c := exec.Command("sh", "-c", code)
	c.Env = environ(t, repo)
	return finish(t, c)
}

// environ is the environment in which the tools run.
func environ(t testing.TB, repo string) []string {
	t.Helper()
	env := append(os.Environ(), "PATH="+buildTools(t)+":"+os.Getenv("PATH"), "HOME="+os.TempDir())
	if repo != "" {
		env = append(env, "COMPOSEFS_REPO="+repo)
	}
	return env
}

// finish runs a command to its end.
func finish(t testing.TB, c *exec.Cmd) result {
	t.Helper()
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// must is shell for what has to succeed; it returns stdout.
func must(t testing.TB, repo, code string) string {
	t.Helper()
	r := shell(t, repo, code)
	if r.status != 0 {
		t.Fatalf("%s: exit status %d\n%s%s", code, r.status, r.stdout, r.stderr)
	}
	return r.stdout
}

// wantError checks that a command failed with a status, and said each of parts.
func wantError(t testing.TB, r result, status int, parts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("exit status %d, want %d\n%s%s", r.status, status, r.stdout, r.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(r.stderr, part) {
			t.Errorf("stderr does not say %q:\n%s", part, r.stderr)
		}
	}
	if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine ") {
		t.Errorf("it crashed:\n%s", r.stderr)
	}
}

// quote writes s as one word of shell code.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
