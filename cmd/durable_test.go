package cmd

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultrun"
	"cfs/cmd/internal/flushes"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
	"cfs/lib/record"
)

// fourLayers returns the code that pulls an image of four layers, without --init.
func fourLayers(t *testing.T) string {
	t.Helper()
	layout := t.TempDir()
	imagetest.Make(t, layout, append(imagetest.SmallLayers(t), imagetest.NoiseLayers(t, 7, 100_000)...)...)
	return "cfs-pull --progress none oci:" + layout + " " + tagName
}

// promisedNames returns what a record promises to be stored, tagged or leased. Cfs-fetch says what
// it has found, and promises nothing.
func promisedNames(tool string, rec record.Record) []string {
	stored := rec.Get("stream") != "" && tool != "cfs-fetch"
	switch {
	case rec.Kind == "layer" && stored && tool == "cfs-import":
		stream := "oci-layer-" + rec.Get("diff-id")
		return []string{"streams/" + stream, "streams/refs/cfs-lease/" + rec.Get("for") + "/" + stream}
	case rec.Kind == "layer" && stored:
		return []string{"streams/oci-layer-" + rec.Get("diff-id")}
	case rec.Kind == "config" && stored:
		return []string{"streams/oci-config-" + rec.Digest}
	case rec.Kind == "manifest" && stored:
		return []string{"streams/oci-manifest-" + rec.Digest}
	case rec.Kind == "image":
		return []string{"images/" + rec.Digest}
	case rec.Kind == "tag":
		return []string{"streams/refs/oci/" + rec.Get("name")}
	}
	return nil
}

// modelled runs code and takes its calls into a model of the repository.
func modelled(t *testing.T, m *flushes.Model, repo, code string, before trap.Before) result {
	t.Helper()
	return trap.RunAt(t, code, environ(t, repo), flushes.Kinds, func(c trap.Call) error {
		if before != nil {
			if err := before(c); err != nil {
				return err
			}
		}
		return m.Before(c)
	})
}

// wantInOrder checks that nothing was done in another order, and that the records promised
// that many things.
func wantInOrder(t *testing.T, m *flushes.Model, r result) {
	t.Helper()
	if r.Status != 0 {
		t.Errorf("exit status %d\n%s", r.Status, r.Stderr)
	}
	for _, text := range m.Wrong {
		t.Error(text)
	}
	for kind, least := range map[string]int{"layer": 4, "image": 1, "config": 1, "manifest": 1, "tag": 1} {
		if m.Saw[kind] < least {
			t.Errorf("%d promises of the kind %s", m.Saw[kind], kind)
		}
	}
}

// TestFault12: each promise of a pull is kept by the strictest of file systems, folders on
// the way included, and costs no more flushes than it needs.
func TestFault12(t *testing.T) {
	t.Parallel()
	code, other := fourLayers(t), fourLayers(t)+"other"
	pullTo := func(repo, name, code string, most, syncfs int) bool {
		m := flushes.New(repo, promisedNames)
		wantInOrder(t, m, modelled(t, m, repo, code, nil))
		if count(m, "cfs-import syncfs ") > 1 { // of one batch, while the machine was slow
			return false
		}
		if got := count(m, " syncfs "); count(m, "") > most || got != syncfs {
			t.Errorf("%s: %d flushes, want at most %d; %d syncfs, want %d:\n%s", name, count(m, ""), most, got, syncfs, strings.Join(m.Flushes, "\n"))
		}
		return true
	}
	inOneBatch(t, func(repo string) bool {
		if !pullTo(repo, "first pull into a new repository", strings.Replace(code, "cfs-pull", "cfs-pull --init --insecure", 1), 26, 3) {
			return false
		}
		return pullTo(repo, "the same again", code, 12, 0) && pullTo(repo, "another tag", other, 14, 0)
	})
	inOneBatch(t, func(repo string) bool {
		must(t, repo, "cfs-import --init --insecure </dev/null")
		return pullTo(repo, "first pull into an existing repository", code, 22, 3)
	})
}

// count returns how many flushes have a text in their line.
func count(m *flushes.Model, text string) (n int) {
	for _, line := range m.Flushes {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// inOneBatch calls try with new repositories until it reports that cfs-import has committed
// all layers at once: on a slow machine it does not wait for the next record.
func inOneBatch(t *testing.T, try func(repo string) bool) {
	t.Helper()
	for range 10 {
		if try(cmdtest.Scratch(t) + "/repo") {
			return
		}
	}
	t.Error("ten pulls, and each committed its layers in several batches")
}

// TestFault6: a pull that was killed before any of its calls leaves names that are not
// flushed; the same again, which finds them, makes its promises durable all the same.
func TestFault6(t *testing.T) {
	t.Parallel()
	code := strings.Replace(fourLayers(t), "cfs-pull", "cfs-pull --init --insecure", 1)
	calls, after := 0, map[int]bool{} // calls at which names have just been made
	repo := cmdtest.Scratch(t) + "/repo"
	modelled(t, flushes.New(repo, promisedNames), repo, code, func(c trap.Call) error {
		calls++
		after[calls+1] = c.Nr == unix.SYS_SYMLINKAT || c.Nr == unix.SYS_RENAMEAT
		return nil
	})
	var kills []int
	for n := range calls {
		if after[n] {
			kills = append(kills, n)
		}
	}
	if cmdtest.Long() {
		kills = cmdtest.Sample(calls, calls)
	}
	for _, n := range kills {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			repo := cmdtest.Scratch(t) + "/repo"
			m := flushes.New(repo, promisedNames)
			modelled(t, m, repo, code, trap.From(n, trap.Kill))
			m.Wrong = nil // nobody was promised anything
			clear(m.Saw)
			wantInOrder(t, m, modelled(t, m, repo, code, nil))
		})
	}
}

// TestInitParent: the name of a new repository is flushed in the folder above, unless the user
// may not read that.
func TestInitParent(t *testing.T) {
	t.Parallel()
	for errno, status := range map[unix.Errno]int{unix.EACCES: 0, unix.EIO: 1} {
		f := faultrun.Fault{Kind: faultrun.Of("openat"), Nth: 1, Errno: errno, Such: func(path string) bool {
			return strings.HasSuffix(path, "/repo/..")
		}}
		r := faultrun.Run(t, "cfs-import --init --insecure </dev/null", environ(t, cmdtest.Scratch(t)+"/repo"), f)
		if r.Status != status || len(r.Hit) != 1 {
			t.Errorf("%s: exit status %d, want %d; %q\n%s", unix.ErrnoName(errno), r.Status, status, r.Hit, r.Stderr)
		}
	}
}

// TestFailedFlush: a flush that fails is remembered: the next writer, whom the kernel does not
// tell of it, stores again what it finds.
func TestFailedFlush(t *testing.T) {
	t.Parallel()
	repo := cmdtest.Scratch(t) + "/repo"
	code := strings.Replace(fourLayers(t), "cfs-pull", "cfs-pull --init --insecure", 1)
	f := faultrun.Fault{Kind: faultrun.Of("syncfs"), Nth: 1, Errno: unix.EIO}
	if r := faultrun.Run(t, code, environ(t, repo), f); r.Status != 1 || len(r.Hit) != 1 {
		t.Fatalf("exit status %d, %q\n%s", r.Status, r.Hit, r.Stderr)
	}
	objects := func() string { return must(t, repo, "find $COMPOSEFS_REPO/objects -type f -printf '%i %P\\n' | sort") }
	before := objects()
	must(t, repo, code)
	after := objects()
	for line := range strings.Lines(before) {
		if strings.Contains(after, line) {
			t.Errorf("not stored again: %s", line)
		}
	}
	must(t, repo, "cfs-gc check --content && cfs-gc && test -z \"$(ls $COMPOSEFS_REPO/cfs | grep unflushed)\"")
	must(t, repo, "cfs-link untag "+tagName+" && cfs-gc --allow-empty")
}
