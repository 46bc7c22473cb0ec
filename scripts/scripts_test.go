// Package scripts tests the scripts that stand in for the tools of the C project:
// mkcomposefs, composefs-info and composefs-dump.
package scripts

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

// bin is the folder of the scripts and what they run, made once.
var bin struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if bin.dir != "" {
		os.RemoveAll(bin.dir)
	}
	os.Exit(status)
}

// scripts returns the folder of the scripts.
func scripts(t *testing.T) string {
	t.Helper()
	// The go command runs tests again if files that they looked at have changed.
	for _, root := range []string{".", "../cmd/cfs-mkerofs", "../lib"} {
		err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	bin.once.Do(func() { bin.dir, bin.err = build() })
	if bin.err != nil {
		t.Fatal(bin.err)
	}
	return bin.dir
}

func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "cfs-scripts-"); err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-o", dir, "../cmd/cfs-mkerofs").CombinedOutput(); err != nil {
		return dir, fmt.Errorf("go build: %w\n%s", err, out)
	}
	for _, name := range []string{"mkcomposefs", "composefs-info", "composefs-dump"} {
		script, err := os.ReadFile(name)
		if err != nil {
			return dir, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), script, 0o755); err != nil {
			return dir, err
		}
	}
	return dir, nil
}

// result is what a command left.
type result struct {
	stdout, stderr string
	status         int
}

// shell runs sh code in a folder, with the scripts in $PATH.
func shell(t *testing.T, dir, code string) result {
	t.Helper()
	c := exec.Command("sh", "-c", code)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+scripts(t)+":"+os.Getenv("PATH"))
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// must is shell for what has to succeed, and returns stdout.
func must(t *testing.T, dir, code string) string {
	t.Helper()
	r := shell(t, dir, code)
	if r.status != 0 || r.stderr != "" {
		t.Fatalf("%s: exit status %d\n%s%s", code, r.status, r.stdout, r.stderr)
	}
	return r.stdout
}
