package cmd

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
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
	var first string
	for first == "" || strings.HasPrefix(first, "fetching ") {
		if first, err = records.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
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

// TestFetchJobs: as many layers come at once as was said.
func TestFetchJobs(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 60_000, 61_000, 62_000, 63_000)
	config := imagetest.Manifest(t, f.layout).Config.Digest.String()
	for jobs := range 2 {
		jobs++
		var now, peak atomic.Int32
		f.proxy.Blobs = func(e *faultproxy.Exchange) {
			if e.Blob == config {
				faultproxy.Pass(e)
				return
			}
			n := now.Add(1)
			for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
			}
			eventually(t, fmt.Sprintf("--jobs=%d has as many under way", jobs), func() bool { return int(peak.Load()) >= jobs })
			time.Sleep(50 * time.Millisecond) // for one more to come, if it were wrong
			now.Add(-1)
			faultproxy.Pass(e)
		}
		f.must("rm -rf spool")
		f.must(fmt.Sprint(f.code, " --jobs=", jobs))
		if n := int(peak.Load()); n != jobs {
			t.Errorf("--jobs=%d: %d came at once", jobs, n)
		}
	}
	f.fails(2, f.code+" --jobs=0", "jobs")
}
