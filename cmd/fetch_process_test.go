package cmd

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// TestFetchGoesOn: a layer's record is written while another layer is still on its way.
func TestFetchGoesOn(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 50_000, 60_000)
	layers := f.layers()
	seen := make(chan bool)
	f.proxy.Blobs = faultproxy.To(layers[0].Digest.String(), func(e *faultproxy.Exchange) {
		select {
		case <-seen:
		case <-time.After(patience):
			t.Error("no record came while a layer was on its way")
		}
		faultproxy.Pass(e)
	})
	c := f.command("exec " + f.code + " --jobs=2")
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	records := bufio.NewReader(stdout)
	first, err := records.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first, "layer "+layers[1].Digest.String()+" ") {
		t.Errorf("the first record is %s", first)
	}
	close(seen)
	rest := ""
	for err == nil {
		var line string
		line, err = records.ReadString('\n')
		rest += line
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	f.wantRecords(first + rest)
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

// TestFetchBrokenPipe: who reads no records any more ends it.
func TestFetchBrokenPipe(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 1000, 2000, 3000)
	if got := f.must(f.code + " | head -n 1"); strings.Count(got, "\n") != 1 {
		t.Errorf("records:\n%s", got)
	}
	f.must(f.code + " | true")
}

// TestFetchMemory: a large blob takes no more memory than a small one.
func TestFetchMemory(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	r, dir := registrytest.DebianOpen(t), cmdtest.Scratch(t)
	l := imagetest.NewLayout(t, dir)
	tar := imagetest.Tar(t, imagetest.File("large", imagetest.Noise(23, 150_000_000)))
	l.Finish(l.Manifest(l.Config(imagetest.HostPlatform(), tar), "", l.Blob(v1.MediaTypeImageLayer, tar)))
	r.Push(t, dir, "some/image:1")
	f := fetchingOf(t, r, dir, "some/image:1")
	cat := "cfs-fetch cat --tls-verify=false " + f.source + " " + f.layers()[0].Digest.String() + " > /dev/null"
	for _, code := range []string{f.code, cat} {
		c := f.command("exec " + code)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		peak := peakMemory(c.Process.Pid)
		if err := c.Wait(); err != nil || peak == 0 || peak > 100<<10 {
			t.Errorf("%s: %v, it took %d KiB for a layer of %d bytes", code, err, peak, len(tar))
		}
	}
}

// peakMemory waits until a process has ended, and returns the most memory that it had,
// in KiB. (What wait4 tells may be of the process that started it.)
func peakMemory(pid int) (peak int) {
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return peak
		}
		_, text, ok := strings.Cut(string(status), "VmHWM:")
		if !ok {
			return peak // a zombie
		}
		if _, err := fmt.Sscan(text, &peak); err != nil {
			return 0
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// TestFetchEndless: a body without an end is given up at the size that the manifest says.
func TestFetchEndless(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 100_000)
	layer := f.layers()[0]
	f.proxy.Blobs = faultproxy.To(layer.Digest.String(), faultproxy.Once(faultproxy.Lengthens(1<<40)))
	f.succeeds()
	// What lies in the buffers of the connection was delivered too.
	if got := f.proxy.Of(layer.Digest.String()).Delivered; got > 32<<20 {
		t.Errorf("%d bytes came of a layer of %d", got, layer.Size)
	}
	f.proxy.Manifests = faultproxy.Lengthens(1 << 40)
	f.fails(4, strings.Replace(f.code, "/spool", "/new-spool", 1)+" --retry-times=0", "manifest")
}

// TestDefaultSpool: without --spool the user's cache is it.
func TestDefaultSpool(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 1000)
	code := strings.Replace(f.code, "--spool=$HOME/spool", "", 1)
	if got := f.must(code); strings.Count(got, " path="+f.dir+"/.cache/") != 3 {
		t.Errorf("records:\n%s\nwant paths below %s/.cache", got, f.dir)
	}
	f.setenv("XDG_CACHE_HOME", f.dir+"/mine")
	if got := f.must(code); strings.Count(got, " path="+f.dir+"/mine/") != 3 {
		t.Errorf("records:\n%s\nwant paths below %s/mine", got, f.dir)
	}
	f.must(strings.Replace(code, "cfs-fetch", "cfs-pull --init --insecure", 1) + " " + tagName)
	wantEmptySpool(t, f.dir+"/mine/cfs/spool")
}

// TestFetchTerminal: on a terminal progress is bars, on stderr, and records stay whole.
func TestFetchTerminal(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("SKIPPED: no terminal can be had: ", err)
	}
	r := registrytest.InProcess(t)
	layout := randomImage(t, 25, 700_000, 800_000)
	r.Push(t, layout, "some/image:1")
	for name, size := range map[string]string{"usual": "rows 25 cols 80", "narrow": "rows 5 cols 30", "of unknown size": "rows 0 cols 0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fetchingOf(t, r, layout, "some/image:1")
			f.proxy.Blobs = func(e *faultproxy.Exchange) {
				time.Sleep(300 * time.Millisecond)
				faultproxy.Pass(e)
			}
			code := f.write("fetch.sh", "#!/bin/sh\nstty "+size+" <&2\n"+strings.Replace(f.code, "--progress=none", "", 1)+" > records\n")
			seen := f.must("TERM=xterm script -qec " + code + " /dev/null < /dev/null")
			if !strings.ContainsAny(seen, "\r\x1b") {
				t.Errorf("the terminal shows %q", seen)
			}
			records, err := os.ReadFile(f.dir + "/records")
			if err != nil {
				t.Fatal(err)
			}
			f.wantRecords(string(records))
		})
	}
}
