package tool

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// startPiped starts the tool with pipes on stdin and stdout.
func startPiped(t *testing.T, args ...string) (cmd *exec.Cmd, stdin io.WriteCloser, stdout *os.File) {
	t.Helper()
	cmd = command(t, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close() // that of the tool is the only one
	t.Cleanup(func() {
		stdin.Close()
		r.Close()
		cmd.Wait()
	})
	return cmd, stdin, r
}

// readLine reads a record of the tool.
func readLine(t *testing.T, r io.Reader, want string) {
	t.Helper()
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil || line != want {
		t.Fatalf("got %q, %v, want %q", line, err, want)
	}
}

func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// TestWatchReader: a stage whose reader is gone ends at once, though it has nothing to
// write, with the status of SIGPIPE: its stdin stays open.
func TestWatchReader(t *testing.T) {
	cmd, _, stdout := startPiped(t)
	readLine(t, stdout, "start -\n")
	stdout.Close()
	if code := exitCode(t, cmd); code != 128+int(syscall.SIGPIPE) {
		t.Errorf("exit status %d", code)
	}
}

// TestWatchReaderEnd: one whose reader stays ends when its input does.
func TestWatchReaderEnd(t *testing.T) {
	cmd, stdin, stdout := startPiped(t)
	readLine(t, stdout, "start -\n")
	stdin.Close()
	readLine(t, stdout, failed+"1\n")
	if code := exitCode(t, cmd); code != Failed {
		t.Errorf("exit status %d", code)
	}
}

// TestWatchReaderFailed: after the record of a failure the reader may leave: the stage has
// yet to say on stderr what failed.
func TestWatchReaderFailed(t *testing.T) {
	cmd, stdin, stdout := startPiped(t, "late")
	readLine(t, stdout, failed+"1\n")
	stdout.Close()
	stdin.Close()
	if code := exitCode(t, cmd); code != 7 {
		t.Errorf("exit status %d", code)
	}
}

// TestWatchNoPipe: what is no pipe has no reader that leaves.
func TestWatchNoPipe(t *testing.T) {
	out, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := command(t, "late")
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(t, cmd); code != 7 {
		t.Errorf("exit status %d", code)
	}
	if text, err := os.ReadFile(out.Name()); err != nil || string(text) != failed+"1\n" {
		t.Errorf("wrote %q, %v", text, err)
	}
}
