package cmdtest

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Result is what a command left that has ended.
type Result struct {
	Stdout, Stderr string
	Status         int // the exit status, -1 for one that a signal ended
}

// Run runs a command to its end. The test fails if the command cannot be run.
func Run(t testing.TB, c *exec.Cmd) Result {
	t.Helper()
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return Result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// Env returns the environment of this process, the tools first in its PATH, and with
// more variables, "NAME=VALUE".
func Env(t testing.TB, variables ...string) []string {
	t.Helper()
	return append(append(os.Environ(), "PATH="+Tools(t)+":"+os.Getenv("PATH")), variables...)
}

// Shell runs sh code in a folder, "" for the package's, in the environment of Env.
func Shell(t testing.TB, dir, code string, variables ...string) Result {
	t.Helper()
	c := exec.Command("sh", "-c", code)
	c.Dir, c.Env = dir, Env(t, variables...)
	return Run(t, c)
}

// Must is Shell for code that has to succeed, else the test fails. It returns stdout.
func Must(t testing.TB, dir, code string, variables ...string) string {
	t.Helper()
	r := Shell(t, dir, code, variables...)
	if r.Status != 0 {
		t.Fatalf("%s: exit status %d\n%s%s", code, r.Status, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// Quote writes a string as one word of sh code.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
