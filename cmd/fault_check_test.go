package cmd

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultrun"
)

// TestFault4: on a whole repository cfs-gc check --repair removed the objects that a call
// had failed on once, and all names that need them.
func TestFault4(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	reading := kinds("openat", "getdents64", "readlinkat", "newfstatat", "fstat", "read", "pread64", "ioctl")
	for _, code := range []string{"cfs-gc check --repair", "cfs-gc check --content --repair a"} {
		s.fail(code, reading, inside, 6, passing, func(a attempt) {
			a.want(t, 0, 1)
			a.wantFiles(t, s.files)
		})
	}
}

// TestFault4Files: the same with few file descriptors.
func TestFault4Files(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	for n := 7; n < 16; n++ {
		r := shell(t, s.whole, fmt.Sprintf("ulimit -n %d; exec cfs-gc check --repair", n))
		if r.Status == 4 {
			t.Errorf("with %d descriptors: %+v", n, r)
		}
		attempt{Outcome: faultrun.Outcome{Result: r}, repo: s.whole}.wantFiles(t, s.files)
	}
}

// TestFault4Unreadable: content that the disk refuses again and again is damage: it is told,
// repair drops the object, and pulling again heals.
func TestFault4Unreadable(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	for kind, object := range map[string]string{
		"read":    s.object("images/[0-9a-f]*"),
		"pread64": s.object("streams/oci-config-*"),
	} {
		for _, errno := range []unix.Errno{unix.EIO, unix.EUCLEAN, unix.EBADMSG} {
			f := faultrun.Fault{Kind: faultrun.Of(kind), Nth: 1, Errno: errno, Such: is(object)}
			if o := faultrun.Run(t, "cfs-gc check --repair", environ(t, s.whole), f); o.Status != 0 || len(o.Hit) != 1 {
				t.Errorf("refused once: %s: %+v", f, o)
			}
			f.Stays = true
			if o := faultrun.Run(t, "cfs-gc check --repair", environ(t, s.whole), f); o.Status != 4 || len(o.Hit) < 2 {
				t.Errorf("%s: %+v", f, o)
			}
			if _, err := os.Lstat(object); kind == "read" && err == nil {
				t.Errorf("%s: the object has stayed", f)
			}
			must(t, s.whole, s.pulls["a"]+" && "+s.pulls["b"]+" && cfs-gc check --content")
		}
	}
}

// TestFault8: cfs-link ls and why printed a list that was not complete, with success.
func TestFault8(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	layer := strings.TrimPrefix(s.object("streams/oci-layer-*"), s.whole+"/objects/")
	for _, code := range []string{"cfs-link ls", "cfs-link ls --json", "cfs-link why " + strings.ReplaceAll(layer, "/", "")} {
		want := must(t, s.whole, code)
		s.fail(code, kinds("openat", "getdents64", "readlinkat", "newfstatat", "fstat", "pread64", "read"), inside, 5, passing, func(a attempt) {
			a.want(t, 0, 1)
			if a.Status == 0 && a.Stdout != want {
				t.Errorf("%s, %q: printed\n%s\nwant\n%s", a.Fault, a.Hit, a.Stdout, want)
			}
		})
	}
}

// TestFault11: a tag that is removed while the repository is checked was damage.
func TestFault11(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	tag := s.whole + "/streams/refs/oci/b"
	for n := 1; n <= 2; n++ { // once for the refs, once for the tags
		o := faultrun.Run(t, "cfs-gc check", environ(t, s.whole), faultrun.Fault{Kind: faultrun.Of("readlinkat"), Nth: n, Such: is(tag), Before: func() {
			must(t, s.whole, "cfs-link untag b")
		}})
		if o.Status != 0 || len(o.Hit) != 1 {
			t.Errorf("%+v", o)
		}
		must(t, s.whole, s.pulls["b"])
	}
}

// TestFault14: errors of closing an object's file, and of writing a report, were passed over.
func TestFault14(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	unnamed := func(path string) bool { return inside(path) && strings.HasSuffix(path, " (deleted)") }
	empty := "rm -rf $COMPOSEFS_REPO/objects $COMPOSEFS_REPO/streams $COMPOSEFS_REPO/images; "
	s.fail(empty+s.pulls["a"], kinds("close"), unnamed, 12, []unix.Errno{unix.EIO, unix.EDQUOT}, func(a attempt) { a.want(t, 1) })
	damaged := "rm $COMPOSEFS_REPO/streams/oci-layer-*; "
	for _, code := range []string{"cfs-gc check", "cfs-gc check --json", damaged + "cfs-gc check", "cfs-gc", "cfs-gc --dry-run", "cfs-link ls", "cfs-link show a",
		"cfs-mkerofs dump a", "cfs-mkerofs ls a", "cfs-mkerofs objects a", "cfs-mkerofs --oci a"} {
		s.fail(code+" >$COMPOSEFS_REPO/../report", kinds("write"), func(path string) bool { return strings.HasSuffix(path, "/report") }, 5, []unix.Errno{unix.ENOSPC, unix.EIO}, func(a attempt) {
			a.want(t, 1)
		})
	}
}
