package cmd

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/registrytest"
)

// TestFetchStall: a body that does not go on is given up, and goes on by another request.
func TestFetchStall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 600_000)
	var second string
	f.proxy.Blobs = faultproxy.To(f.layers()[0].Digest.String(), func(e *faultproxy.Exchange) {
		if e.Nth == 1 {
			second = e.R.Header.Get("Range")
		}
		faultproxy.Once(faultproxy.Breaks(faultproxy.Stall, 200_000))(e)
	})
	f.code += " --idle-timeout=1s"
	f.succeeds()
	// A slow machine may make a second request stall too: it is not counted what came.
	var from int
	if n, _ := fmt.Sscanf(second, "bytes=%d-", &from); n != 1 || from < 100_000 || from > 200_000 {
		t.Errorf("the second request was for %q, want what comes after some 200000 bytes", second)
	}
}

// TestFetchKilled kills cfs-fetch in the middle of a blob: the next one goes on there.
func TestFetchKilled(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.DebianOpen(t), 1_500_000, 700_000, 800_000)
	for i := range 4 {
		if r := f.killedAfter(500_000, f.code); r.Status != -1 {
			t.Fatalf("kill %d: exit status %d\n%s", i, r.Status, r.Stderr)
		}
	}
	f.succeeds()
	f.wantDelivered()
}

// TestFetchInterrupted: signals stop it at once, nothing half-written gets a final
// name, and the next time it goes on.
func TestFetchInterrupted(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{unix.SIGINT, unix.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			f := newFetching(t, registrytest.InProcess(t), 900_000)
			layer := f.layers()[0]
			c := f.command("exec " + f.code + " --idle-timeout=1h")
			f.proxy.Blobs = faultproxy.To(layer.Digest.String(), faultproxy.Once(faultproxy.Breaks(faultproxy.Stall, 600_000)))
			go func() {
				eventually(t, "the layer has stalled", func() bool { return f.proxy.Of(layer.Digest.String()).Cuts == 1 })
				c.Process.Signal(signal)
			}()
			r := cmdtest.Run(t, c)
			if got := c.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != signal {
				t.Errorf("it ended with %v", c.ProcessState)
			}
			if strings.Contains(r.Stdout, "layer ") {
				t.Errorf("records:\n%s", r.Stdout)
			}
			f.wantNoBlob(layer)
			f.succeeds()
			f.wantDelivered()
		})
	}
}
