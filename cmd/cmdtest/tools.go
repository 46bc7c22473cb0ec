// Package cmdtest builds the tools and runs them as users do: as programs, in pipes of sh. It is
// used by the tests of commands, scripts, examples and manual pages, which define the input and
// check the output.
package cmdtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// ToolsEnv names, in the environment, a folder with tools that were built before. In the
// virtual machine of the tests there is no go command to build them.
const ToolsEnv = "CFS_TEST_TOOLS"

// scripts are what users run besides the programs.
var scripts = []string{"cfs", "cfs-complete", "cfs-pull", "mkcomposefs", "composefs-info", "composefs-dump", "mount.composefs"}

// sources are the files that decide what the tools do.
var sources = []string{"go.mod", "go.sum", "cmd", "lib", "scripts", "examples", "testdata"}

// tools is the folder of the tools of this process, made once.
var tools struct {
	once sync.Once
	dir  string
	err  error
}

// Main runs the tests of a package that calls Tools, removes what Tools made, and exits
// with the status of the tests.
func Main(m *testing.M) {
	status := m.Run()
	if tools.dir != "" {
		os.RemoveAll(tools.dir)
	}
	os.Exit(status)
}

// Tools returns the folder of the tools and of the scripts for users. They are built at
// the first call in a process, for which the package needs Main as its TestMain. They
// are static, so they also run where this system is not, and everybody may run them.
func Tools(t testing.TB) (dir string) {
	t.Helper()
	if dir := os.Getenv(ToolsEnv); dir != "" {
		return dir
	}
	tools.once.Do(func() { tools.dir, tools.err = build() })
	if tools.err != nil {
		t.Fatal(tools.err)
	}
	return tools.dir
}

func build() (dir string, err error) {
	root, err := findRoot()
	if err != nil {
		return "", err
	}
	if err := look(root); err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "cfs-tools-"); err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return dir, err
	}
	ldflags := "-s -w"
	if runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" { // as the Makefile has it
		ldflags += " -E cfs/lib/tool.start"
	}
	c := exec.Command("go", "build", "-ldflags", ldflags, "-o", dir, "./cmd/cfs-...")
	c.Dir, c.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%v: %w\n%s", c.Args, err, out)
	}
	for _, name := range scripts {
		script, err := os.ReadFile(filepath.Join(root, "scripts", name))
		if err != nil {
			return dir, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), script, 0o755); err != nil {
			return dir, err
		}
	}
	return dir, nil
}

// look looks at all sources. That the go command sees a test do so is what makes it run
// the test again, and not take a result from its cache, when the tools have changed.
func look(root string) error {
	for _, name := range sources {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = os.Stat(path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // somebody edits the sources: it was an editor's own
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Root returns the root folder of the project.
func Root(t testing.TB) string {
	t.Helper()
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// findRoot looks for go.mod in the working directory, which is the test's package, and
// above it.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod in %s or above it", dir)
		}
	}
}
