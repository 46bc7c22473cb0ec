// Test runs `go test` and says in a few lines how it went: one for each package as
// it ends, then what failed, with all that it printed, what was skipped and why, and
// how many tests that were.
//
//	go run ./scripts/test LOG [ARGUMENT]...
//
// The arguments are those of `go test`. All that the tests print goes to the file
// LOG. The exit status is 0 if no test and no build failed, else 1.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: test LOG [ARGUMENT]...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		os.Exit(1)
	}
}

func run(logName string, args []string) error {
	log, err := os.Create(logName)
	if err != nil {
		return err
	}
	defer log.Close()
	tests := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	tests.Stderr = os.Stderr
	events, err := tests.StdoutPipe()
	if err != nil {
		return err
	}
	if err := tests.Start(); err != nil {
		return err
	}
	s := summary{out: os.Stdout, log: log}
	readErr := s.read(events)
	if readErr != nil {
		// Let go test end: it must not block on what nobody reads.
		_, _ = io.Copy(io.Discard, events)
	}
	err = tests.Wait()
	s.finish()
	if readErr != nil {
		return readErr
	}
	return err
}
