package cmd

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// TestSpoolAfterPull: a pull empties the spool, if it is not told to keep it.
func TestSpoolAfterPull(t *testing.T) {
	t.Parallel()
	r := registrytest.DebianOpen(t)
	layout := randomImage(t, 8, 300_000, 400_000)
	r.Push(t, layout, "some/image:1")
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
			before := f.proxy.Total().Delivered
			if again := f.must(pull); sortedLines(again) != sortedLines(records) {
				t.Errorf("the second pull prints\n%s\nwant\n%s", again, records)
			}
			config := imagetest.Manifest(t, layout).Config
			if got := f.proxy.Total().Delivered - before; got > config.Size {
				t.Errorf("the second pull got %d bytes of blobs; the config has %d", got, config.Size)
			}
			f.must("rm -r repo")
			f.must(pull)
			if got := f.proxy.Total().Delivered - before; keep && got > 2*imagetest.Manifest(t, layout).Config.Size {
				t.Errorf("the kept spool was not used: %d bytes", got)
			}
			f.must("cfs-gc check --content")
		})
	}
}

// TestKeptRecords: --keep-spool leaves out that blobs may go.
func TestKeptRecords(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 10_000)
	if got := whole(f.must(f.code + " --keep-spool")); strings.Contains(got, "spooled=") || strings.Count(got, " path=") != 3 {
		t.Errorf("records:\n%s", got)
	}
	f.wantSpool()
}

// TestSpoolIsLayout: other programs read what is in a spool, and fill one.
func TestSpoolIsLayout(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 10_000, 20_000)
	skopeo(t, f.home, "copy -q --preserve-digests oci:"+f.layout+" oci:spool:x")
	f.must(f.code)
	if got := f.proxy.Total(); got.Delivered > imagetest.Manifest(t, f.layout).Config.Size {
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
	f := newFetching(t, registrytest.InProcess(t), 10_000, 20_000)
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
	r := registrytest.InProcess(t)
	base, more := t.TempDir(), t.TempDir()
	layers := imagetest.NoiseLayers(t, 9, 200_000, 300_000, 100_000)
	imagetest.Make(t, base, layers[:2]...)
	imagetest.Make(t, more, layers...)
	r.Push(t, base, "image:base")
	r.Push(t, more, "image:more")
	f := fetchingOf(t, r, base, "image:base")
	f.must(strings.Replace(f.code, "cfs-fetch", "cfs-pull --init --insecure", 1) + " " + tagName)
	got := whole(f.must(strings.Replace(f.code, "image:base", "image:more", 1)))
	all := imagetest.Manifest(t, more)
	for i, l := range all.Layers {
		times := f.proxy.Of(l.Digest.String()).Requests
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
	f := newFetching(t, registrytest.DebianOpen(t), 1_500_000, 2_500_000)
	spool := f.dir + "/spool"
	f.mkdir("spool")
	if r := shell(t, "", "mount -t tmpfs -o size=2M,mode=700 none "+spool); r.Status != 0 {
		t.Skipf("SKIPPED: no tmpfs can be mounted here: %s", r.Stderr)
	}
	t.Cleanup(func() { unix.Unmount(spool, unix.MNT_DETACH) })
	f.fails(1, f.code, spool, "no space left on device")
	first := f.proxy.Total().Delivered
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
	if again := f.proxy.Total().Delivered - first; again > f.size()-1_000_000 {
		t.Errorf("%d bytes came the second time, of %d", again, f.size())
	}
}

// TestDefaultSpool: without --spool the user's cache is it.
func TestDefaultSpool(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 1000)
	code := strings.Replace(f.code, "--spool=$HOME/spool", "", 1)
	if got := whole(f.must(code)); strings.Count(got, " path="+f.dir+"/.cache/") != 3 {
		t.Errorf("records:\n%s\nwant paths below %s/.cache", got, f.dir)
	}
	f.setenv("XDG_CACHE_HOME", f.dir+"/mine")
	if got := whole(f.must(code)); strings.Count(got, " path="+f.dir+"/mine/") != 3 {
		t.Errorf("records:\n%s\nwant paths below %s/mine", got, f.dir)
	}
	f.must(strings.Replace(code, "cfs-fetch", "cfs-pull --init --insecure", 1) + " " + tagName)
	wantEmptySpool(t, f.dir+"/mine/cfs/spool")
}
