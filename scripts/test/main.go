// Test runs `go test` and prints a short report: a line for each package as it ends, then the
// failures with their whole output, the skipped tests with the reasons, and the number of tests.
//
//	go run ./scripts/test LOG [ARGUMENT]...
//
// The arguments are those of `go test`. The complete output is written to the file
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
