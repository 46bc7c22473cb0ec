package cmd

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"

	"golang.org/x/sys/unix"
)

// copying is a home with a repository of large files, $HOME/one.
func copying(t *testing.T) *home {
	t.Helper()
	h := newHome(t)
	imagetest.Make(t, h.dir+"/layout", imagetest.NoiseLayers(t, 7, 1<<20, 3<<20, 100, 5000)...)
	h.must("cfs-pull --progress=none --init --insecure --repo=$HOME/one oci:$HOME/layout app")
	return h
}

// TestCopyShared: on a file system with reflinks the copy shares its blocks with the source, also if its hash is another one.
func TestCopyShared(t *testing.T) {
	t.Parallel()
	needMount(t, "mkfs.xfs", "filefrag")
	base := cmdtest.Scratch(t)
	dir := base + "/mnt"
	must(t, "", fmt.Sprintf("truncate -s 400M %[1]s/disk && mkfs.xfs -q %[1]s/disk && mkdir %s", base, dir))
	if r := shell(t, "", "mount -o loop "+base+"/disk "+dir); r.Status != 0 {
		t.Skipf("SKIPPED: no loop device can be mounted here: %s", r.Stderr)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	h := copying(t)
	h.must("cfs-pull --progress=none --init --insecure --repo=" + dir + "/one composefs:$HOME/one:app")
	for _, algorithm := range []string{"fsverity-sha256-12", "fsverity-sha512-12"} {
		repo := dir + "/" + algorithm
		h.must("cfs-pull --progress=none --init --insecure --algorithm=" + algorithm + " --repo=" + repo + " composefs:" + dir + "/one:app")
		h.must("cfs-gc check --content --repo=" + repo)
		large := strings.Fields(h.must("find " + repo + "/objects -type f -size +2000c -exec grep -L SplitStream {} + || true"))
		if len(large) < 3 {
			t.Fatalf("%d objects", len(large))
		}
		whole := 0
		for _, path := range large {
			if out := h.must("filefrag -v " + path); !strings.Contains(out, "shared") {
				t.Logf("%s is not shared:\n%s", path, out)
				whole++
			}
		}
		if whole > 1 { // the EROFS image, which is made anew
			t.Errorf("%s: %d of %d objects are not shared", algorithm, whole, len(large))
		}
	}
}

// TestCopyWhileWritten: someone writes into an object of the source while it is copied. The copy fails and leaves no names, or it
// is right.
func TestCopyWhileWritten(t *testing.T) {
	t.Parallel()
	h := copying(t)
	path := strings.TrimSpace(h.must("find $HOME/one/objects -type f -size +2000k"))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	was := make([]byte, 1)
	if _, err := f.ReadAt(was, 2<<20); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for b := was[0]; ; b ^= 1 { // it is right again and again
			select {
			case <-stop:
				return
			default:
				f.WriteAt([]byte{b}, 2<<20)
			}
		}
	})
	defer writing.Wait()
	defer close(stop)
	for n := range 4 {
		repo := fmt.Sprintf("--repo=$HOME/copy%d", n)
		r := h.run("cfs-pull --progress=none --init --insecure " + repo + " composefs:$HOME/one:app")
		switch r.Status {
		case 0:
			h.must("cfs-gc check --content " + repo)
		case 4:
			if names := h.must(fmt.Sprintf("find $HOME/copy%d/streams -name 'oci-[lcm]*' -o -name app || true", n)); strings.Contains(names, "oci-manifest") || strings.Contains(names, "/app") {
				t.Errorf("it failed, and left %s", names)
			}
			h.must("cfs-gc check --content " + repo)
		default:
			t.Errorf("status %d: %s", r.Status, r.Stderr)
		}
	}
}

// TestCopyCrosswise: copies in both directions at once, with collections of both, do not block each other.
func TestCopyCrosswise(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for i, name := range []string{"one", "two"} {
		layout := fmt.Sprintf("%s/layout-%s", h.dir, name)
		imagetest.Make(t, layout, imagetest.NoiseLayers(t, uint64(i+1), 1<<20, 100, 5000)...)
		h.must("cfs-pull --progress=none --init --insecure --repo=$HOME/" + name + " oci:" + layout + " " + name)
	}
	var all sync.WaitGroup
	for _, code := range []string{
		"cfs-pull --progress=none --timeout=60s --repo=$HOME/two composefs:$HOME/one:one",
		"cfs-pull --progress=none --timeout=60s --repo=$HOME/one composefs:$HOME/two:two",
		"cfs-gc --timeout=60s --repo=$HOME/one", "cfs-gc --timeout=60s --repo=$HOME/two",
	} {
		all.Go(func() {
			if r := h.run(code); r.Status != 0 {
				t.Errorf("%s: status %d: %s", code, r.Status, r.Stderr)
			}
		})
	}
	all.Wait()
	for _, name := range []string{"one", "two"} {
		h.must("cfs-gc check --content --repo=$HOME/" + name)
		if list := h.must("cfs-link ls --repo=$HOME/" + name); strings.Count(list, "\n") != 2 {
			t.Errorf("%s has %s", name, list)
		}
	}
}

// TestCopyReadOnly: a source on a read-only mount is copied, and is as it was.
func TestCopyReadOnly(t *testing.T) {
	t.Parallel()
	needMount(t)
	h := newHome(t)
	imagetest.Make(t, h.dir+"/layout", imagetest.SmallLayers(t)...)
	h.must("cfs-pull --progress=none --init --insecure --repo=$HOME/one oci:$HOME/layout app; mkdir ro")
	r := h.run("mount --bind one ro && mount -o remount,ro,bind ro")
	t.Cleanup(func() { unix.Unmount(h.dir+"/ro", unix.MNT_DETACH) })
	if r.Status != 0 {
		t.Skipf("SKIPPED: %s", r.Stderr)
	}
	h.must("cfs-pull --progress=none --init --insecure --repo=$HOME/two composefs:$HOME/ro:app")
	h.must("cfs-gc check --content --repo=$HOME/two")
}

// TestCopyFullDisk: a disk that becomes full is named, the source is as it was, and the same command succeeds when there is room.
func TestCopyFullDisk(t *testing.T) {
	t.Parallel()
	h := copying(t)
	dir, _ := mountImage(t, 24, "rw")
	code := "cfs-pull --progress=none --init --insecure --repo=" + dir + "/two composefs:$HOME/one:app"
	before := h.must("cd one && find . -type f | sort | xargs sha256sum")
	filler := fill(t, dir, 2<<20)
	wantError(t, h.run(code), 1, "cfs-import: layer sha256:", "no space left on device")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.must(code)
	h.must("cfs-gc check --content --repo=" + dir + "/two")
	if after := h.must("cd one && find . -type f | sort | xargs sha256sum"); after != before {
		t.Errorf("the source has changed:\n%s\nwas\n%s", after, before)
	}
}

// TestCopyKilled: whatever stage is killed, at whatever time, the copy has no image that is not whole, and the same command
// succeeds; the locks of the source are released.
func TestCopyKilled(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	h := copying(t)
	code := "cfs-pull --progress=none --init --insecure --repo=$HOME/two composefs:$HOME/one:app"
	for n := range 8 {
		h.must("rm -rf two")
		c := h.command(code)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(n) * 25 * time.Millisecond)
		trap.KillGroup(c.Process.Pid)
		c.Wait()
		h.must("cfs-gc --timeout=20s --repo=$HOME/one")
		if r := h.run("test ! -e two/meta.json || cfs-gc check --content --repo=$HOME/two"); r.Status != 0 {
			t.Errorf("after %d: %s%s", n, r.Stdout, r.Stderr)
		}
		h.must(code)
		h.must("cfs-gc check --content --repo=$HOME/two")
	}
}
