package cmd

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"

	"golang.org/x/sys/unix"
)

// TestFetchTogether lets several fetch one image into one spool at once: each gets all
// of its records, and each blob comes once.
func TestFetchTogether(t *testing.T) {
	t.Parallel()
	f := newFetching(t, debianOpen(t), 900_000, 600_000, 700_000)
	f.proxy.fault = func(e *exchange) {
		time.Sleep(200 * time.Millisecond) // so that they meet
		pass(e)
	}
	const fetches = 4
	results := make(chan result, fetches)
	for range fetches {
		go func() { results <- f.run(f.code) }()
	}
	first := ""
	for range fetches {
		r := <-results
		if r.Status != 0 {
			t.Fatalf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
		}
		f.wantRecords(r.Stdout)
		if first == "" {
			first = sortedLines(r.Stdout)
		} else if got := sortedLines(r.Stdout); got != first {
			t.Errorf("one printed\n%s\nanother\n%s", first, got)
		}
	}
	f.wantSpool()
	for _, l := range f.layers() {
		if got := f.proxy.of(l.Digest.String()); got.delivered != l.Size {
			t.Errorf("%s of %d bytes: %+v", l.Digest, l.Size, got)
		}
	}
}

// TestFetchTogetherKilled kills one of two that fetch the same: the other one ends well.
func TestFetchTogetherKilled(t *testing.T) {
	t.Parallel()
	f := newFetching(t, debianOpen(t), 2_000_000)
	first, second := f.command("exec "+f.code), f.command("exec "+f.code)
	f.proxy.fault = to(f.layers()[0].Digest.String(), once(func(e *exchange) {
		time.Sleep(200 * time.Millisecond) // so that they meet
		// Whoever of the two fetches, the other one waits for it.
		e.forward(func(a *http.Response) { a.Body = readCloser{&killing{a.Body, 1_000_000, first}, a.Body} })
	}))
	ended := make(chan result, 1)
	go func() { ended <- cmdtest.Run(t, first) }()
	r := cmdtest.Run(t, second)
	<-ended
	if r.Status != 0 {
		t.Fatalf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	f.wantRecords(r.Stdout)
	f.wantSpool()
	if got := f.proxy.of(f.layers()[0].Digest.String()); got.requests > 2 {
		t.Errorf("%+v: want one that was killed, and one for the rest", got)
	}
}

// killing is a body that kills a process when n bytes of it have been read.
type killing struct {
	io.Reader
	left int
	c    *exec.Cmd
}

func (k *killing) Read(b []byte) (int, error) {
	n, err := k.Reader.Read(b)
	if k.left > 0 && k.left <= n {
		k.c.Process.Kill()
	}
	k.left -= n
	return n, err
}

// TestSpoolAfterPull: a pull empties the spool, if it is not told to keep it.
func TestSpoolAfterPull(t *testing.T) {
	t.Parallel()
	r := debianOpen(t)
	layout := randomImage(t, 8, 300_000, 400_000)
	r.push(t, layout, "some/image:1")
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) {
			t.Parallel()
			f := fetchingOf(t, r, layout, "some/image:1")
			pull := strings.Replace(f.code, "cfs-fetch", "cfs-pull --init --insecure", 1) + " " + tagName
			if keep {
				pull += " --keep-spool"
			}
			records := f.must(pull)
			if keep {
				f.wantSpool()
			} else {
				f.wantEmptySpool()
			}
			if strings.Contains(records, "path=") || strings.Contains(records, "spooled=") {
				t.Errorf("records name what is gone:\n%s", records)
			}
			before := f.proxy.total().delivered
			if again := f.must(pull); sortedLines(again) != sortedLines(records) {
				t.Errorf("the second pull prints\n%s\nwant\n%s", again, records)
			}
			config := imagetest.Manifest(t, layout).Config
			if got := f.proxy.total().delivered - before; got > config.Size {
				t.Errorf("the second pull got %d bytes of blobs; the config has %d", got, config.Size)
			}
			f.must("rm -r repo")
			f.must(pull)
			if got := f.proxy.total().delivered - before; keep && got > 2*imagetest.Manifest(t, layout).Config.Size {
				t.Errorf("the kept spool was not used: %d bytes", got)
			}
			f.must("cfs-gc check --content")
		})
	}
}

// TestKeptRecords: --keep-spool leaves out that blobs may go.
func TestKeptRecords(t *testing.T) {
	t.Parallel()
	f := newFetching(t, inProcess(t), 10_000)
	if got := f.must(f.code + " --keep-spool"); strings.Contains(got, "spooled=") || strings.Count(got, " path=") != 3 {
		t.Errorf("records:\n%s", got)
	}
	f.wantSpool()
}

// TestSpoolIsLayout: other programs read what is in a spool, and fill one.
func TestSpoolIsLayout(t *testing.T) {
	t.Parallel()
	f := newFetching(t, inProcess(t), 10_000, 20_000)
	skopeo(t, f.home, "copy -q --preserve-digests oci:"+f.layout+" oci:spool:x")
	f.must(f.code)
	if got := f.proxy.total(); got.delivered > imagetest.Manifest(t, f.layout).Config.Size {
		t.Errorf("%+v: all was in the spool", got)
	}
	f.must("rm -r spool")
	f.must(f.code)
	if text, err := os.ReadFile(f.dir + "/spool/oci-layout"); err != nil || !strings.Contains(string(text), `"imageLayoutVersion"`) {
		t.Errorf("oci-layout: %s %v", text, err)
	}
}

// TestSpoolOfBadBlobs: what lies in a spool under a digest is not believed.
func TestSpoolOfBadBlobs(t *testing.T) {
	t.Parallel()
	f := newFetching(t, inProcess(t), 10_000, 20_000)
	f.must(f.code)
	bad := "spool/blobs/sha256/" + f.layers()[1].Digest.Encoded()
	if err := flipByte(f.dir+"/"+bad, 5000); err != nil {
		t.Fatal(err)
	}
	r := f.run(f.code)
	if r.Status == 0 {
		f.wantRecords(r.Stdout)
		f.wantSpool()
		return
	}
	wantError(t, r, 4, f.layers()[1].Digest.String())
}

// TestLayersInRepository: what the repository has is not fetched.
func TestLayersInRepository(t *testing.T) {
	t.Parallel()
	r := inProcess(t)
	base, more := t.TempDir(), t.TempDir()
	layers := imagetest.NoiseLayers(t, 9, 200_000, 300_000, 100_000)
	imagetest.Make(t, base, layers[:2]...)
	imagetest.Make(t, more, layers...)
	r.push(t, base, "image:base")
	r.push(t, more, "image:more")
	f := fetchingOf(t, r, base, "image:base")
	f.must(strings.Replace(f.code, "cfs-fetch", "cfs-pull --init --insecure", 1) + " " + tagName)
	got := f.must(strings.Replace(f.code, "image:base", "image:more", 1))
	all := imagetest.Manifest(t, more)
	for i, l := range all.Layers {
		times := f.proxy.of(l.Digest.String()).requests
		if times != 1 {
			t.Errorf("layer %d was asked for %d times", i, times)
		}
	}
	if strings.Count(got, " stream=") != 2 || strings.Count(got, " path=") != 3 {
		t.Errorf("records:\n%s", got)
	}
}

// TestFetchFullDisk: what has come stays when the disk of the spool is full, and the
// same command ends well when there is room.
func TestFetchFullDisk(t *testing.T) {
	t.Parallel()
	needMount(t)
	f := newFetching(t, debianOpen(t), 1_500_000, 2_500_000)
	spool := f.dir + "/spool"
	f.mkdir("spool")
	if r := shell(t, "", "mount -t tmpfs -o size=2M none "+spool); r.Status != 0 {
		t.Skipf("SKIPPED: no tmpfs can be mounted here: %s", r.Stderr)
	}
	t.Cleanup(func() { unix.Unmount(spool, unix.MNT_DETACH) })
	f.fails(1, f.code, spool, "no space left on device")
	first := f.proxy.total().delivered
	if first < 1_500_000 {
		t.Errorf("only %d bytes came", first)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(spool, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) > 700_000 {
		t.Errorf("%d bytes are free: what has come did not stay (%v)", fs.Bavail*uint64(fs.Bsize), err)
	}
	must(t, "", "mount -o remount,size=32M "+spool)
	f.succeeds()
	// What could not be written had to come again; that of what could be is not.
	if again := f.proxy.total().delivered - first; again > f.size()-1_000_000 {
		t.Errorf("%d bytes came the second time, of %d", again, f.size())
	}
}
