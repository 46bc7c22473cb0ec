// Package footprint runs shell code and measures how much memory its processes use.
package footprint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"cfs/cmd/cmdtest"
)

// mainEnv is set in the environment of a program that Run starts: this one, once more. The
// kernel counts for a process also what the program had in memory that started it, and a
// test may have much.
const mainEnv = "CFS_TEST_FOOTPRINT"

// Main does nothing, unless Run has started this process: then it runs the command of its
// operands. It is for the first line of TestMain.
func Main() {
	if os.Getenv(mainEnv) == "" {
		return
	}
	os.Unsetenv(mainEnv)
	c := exec.Command(os.Args[1], os.Args[2:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := c.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	fmt.Fprint(os.NewFile(3, "result"), c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	os.Exit(c.ProcessState.ExitCode())
}

// Run runs sh code in an environment. It returns how many KiB the largest of its processes
// had in memory. The package needs a TestMain that calls Main.
func Run(t testing.TB, code string, env []string) (r cmdtest.Result, kib int64) {
	t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	c := exec.Command("/proc/self/exe", "sh", "-c", code)
	c.Env, c.ExtraFiles = append(env, mainEnv+"=1"), []*os.File{out}
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	err = c.Run()
	out.Close()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	text, err := io.ReadAll(in)
	if err == nil {
		_, err = fmt.Sscan(string(text), &kib)
	}
	if err != nil {
		t.Fatalf("%s: it was not measured: %v\n%s", code, err, stderr.String())
	}
	return cmdtest.Result{Stdout: stdout.String(), Stderr: stderr.String(), Status: c.ProcessState.ExitCode()}, kib
}
