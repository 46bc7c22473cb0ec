package pull

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/repo"
)

// arriving is a layer of which a part has been fetched.
type arriving struct {
	*testing.T
	repo   *repo.Repo
	out    *bytes.Buffer
	stage  *Importer
	path   string // of its file
	blob   []byte
	diffID digest.Digest
	half   int // bytes that are there at first: the first file, and a part of the second one
}

// newArriving begins with a stage, and with a layer of two large files, of which half is
// there.
func newArriving(t *testing.T, jobs int) *arriving {
	t.Helper()
	blob := repotest.Tar(t, repotest.File("a", repotest.Text("a", 600_000)), repotest.File("b", repotest.Text("b", 600_000)))
	a := &arriving{T: t, repo: newRepo(t), out: new(bytes.Buffer), blob: blob, diffID: digest.FromBytes(blob), half: 900_000}
	a.path = file(t, blob[:a.half])
	a.stage = &Importer{Open: opener(a.repo), Out: &record.Writer{Out: a.out}, Jobs: jobs, Progress: &progress.Printer{Mode: progress.None}}
	if err := a.stage.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.stage.Close() })
	return a
}

// line is the record of the layer with a kind.
func (a *arriving) line(kind, path string) string {
	return fmt.Sprintf("%s %s diff-id=%s media-type=%s size=%d path=%s", kind, digest.FromBytes(a.blob), a.diffID, v1.MediaTypeImageLayer, len(a.blob), path)
}

// write writes to the file of the layer from an offset on.
func (a *arriving) write(offset int64, data []byte) {
	a.Helper()
	f, err := os.OpenFile(a.path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(data, offset)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		a.Fatal(err)
	}
}

// waitForObjects returns when the repository has objects.
func (a *arriving) waitForObjects() {
	a.Helper()
	waitFor(a.T, "an object", func() bool {
		found, _ := filepath.Glob(a.repo.Path + "/objects/*/*")
		return len(found) > 0
	})
}

// waitFor returns when something is stored.
func waitFor(t *testing.T, what string, stored func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !stored(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s was not stored", what)
		}
	}
}

func (a *arriving) feed(lines ...string) {
	a.Helper()
	if err := feed(a.T, a.stage, lines...); err != nil {
		a.Fatal(err)
	}
}

// wantStored ends the stage, and checks that it has stored the layer.
func (a *arriving) wantStored() {
	a.Helper()
	if err := a.stage.Finish(); err != nil {
		a.Fatal(err)
	}
	stream := streamOf(a.T, a.repo, a.diffID)
	if got := a.out.String(); !strings.HasPrefix(got, "layer ") || !strings.HasSuffix(got, " stream="+stream+"\n") || strings.Count(got, "\n") != 1 {
		a.Errorf("wrote %q, the stream is %s", got, stream)
	}
}

// wantNothing checks that the layer has no name, and that nothing was said.
func (a *arriving) wantNothing() {
	a.Helper()
	if _, err := oci.Stored(a.repo, oci.Key(a.diffID), true); !errors.Is(err, os.ErrNotExist) {
		a.Errorf("a stream has the name of the layer: %v", err)
	}
	if a.out.Len() > 0 {
		a.Errorf("wrote %q", a.out)
	}
}

// TestFollow: a layer is stored while it is fetched, and named when its record has come; it is
// the same stream that a layer becomes which is whole from the start.
func TestFollow(t *testing.T) {
	a := newArriving(t, 1)
	a.feed(a.line("fetching", a.path))
	a.waitForObjects()
	a.wantNothing()
	a.write(int64(a.half), a.blob[a.half:])
	a.wantNothing()
	// Its bytes are not to be had any more: that it is stored is the work of who followed it.
	a.feed(a.line("layer", "/gone"))
	a.wantStored()

	whole := newRepo(t)
	if _, err := importing(t, whole, a.line("layer", a.path)); err != nil {
		t.Fatal(err)
	}
	if got, want := streamOf(t, a.repo, a.diffID), streamOf(t, whole, a.diffID); got != want {
		t.Errorf("stream %s, of the whole file %s", got, want)
	}
}

// TestFollowedWrong: whatever became of the file that was followed, the layer is stored from
// the one that its record names.
func TestFollowedWrong(t *testing.T) {
	for name, change := range map[string]func(a *arriving){
		"shorter":          func(a *arriving) { os.Truncate(a.path, 100) },
		"empty":            func(a *arriving) { os.Truncate(a.path, 0) },
		"gone":             func(a *arriving) { os.Remove(a.path) },
		"replaced":         func(a *arriving) { os.Remove(a.path); os.WriteFile(a.path, a.blob, 0o644) },
		"never whole":      func(a *arriving) {},
		"another blob":     func(a *arriving) { a.write(int64(a.half), bytes.Repeat([]byte("x"), len(a.blob)-a.half)) },
		"no tar any more":  func(a *arriving) { a.write(1_000_000, bytes.Repeat([]byte{0xff}, len(a.blob)-1_000_000)) },
		"begun once more":  func(a *arriving) { os.Truncate(a.path, 0); a.write(0, a.blob[:1000]) },
		"longer than that": func(a *arriving) { a.write(int64(a.half), append(bytes.Clone(a.blob[a.half:]), "more"...)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArriving(t, 1)
			a.feed(a.line("fetching", a.path))
			a.waitForObjects()
			change(a)
			a.feed(a.line("layer", file(t, a.blob)))
			a.wantStored()
		})
	}
}

// TestFollowedDiffers: the record of the layer counts, and not what was said before.
func TestFollowedDiffers(t *testing.T) {
	a := newArriving(t, 1)
	a.write(0, a.blob)
	lie := strings.ReplaceAll(a.line("fetching", a.path), a.diffID.String(), none.String())
	a.feed(lie, a.line("layer", a.path))
	a.wantStored()

	a = newArriving(t, 1)
	a.write(int64(a.half), a.blob[a.half:])
	a.feed(a.line("fetching", a.path), strings.ReplaceAll(a.line("layer", a.path), a.diffID.String(), none.String()))
	if err := a.stage.Finish(); !corrupt.Is(err) {
		t.Errorf("a layer with another diff ID: %v", err)
	}
	a.wantNothing()
}

// TestNotFollowed: a layer whose bytes cannot be followed is stored when its record comes.
func TestNotFollowed(t *testing.T) {
	for name, at := range map[string]func(a *arriving) string{
		"no file":  func(*arriving) string { return " path=/gone" },
		"no path":  func(*arriving) string { return "" },
		"a folder": func(a *arriving) string { return " path=" + a.TempDir() },
		"a pipe": func(a *arriving) string {
			path := a.TempDir() + "/pipe"
			if err := unix.Mkfifo(path, 0o600); err != nil {
				a.Fatal(err)
			}
			return " path=" + path
		},
		"other keys": func(a *arriving) string { return " odd=1 spooled=1 path=" + a.path },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArriving(t, 1)
			line, _, _ := strings.Cut(a.line("fetching", ""), " path=")
			a.feed(line+at(a), a.line("layer", file(t, a.blob)))
			a.wantStored()
		})
	}
	for _, line := range []string{"fetching -", "fetching " + none.String(), "fetching " + none.String() + " diff-id=" + none.String()} {
		a := newArriving(t, 1)
		a.feed(line)
		if err := a.stage.Finish(); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		a.wantNothing()
	}
	for _, line := range []string{"fetching - size=-1", "fetching - diff-id=x"} {
		if err := feed(t, newArriving(t, 1).stage, line); err == nil || !strings.HasPrefix(err.Error(), "fetching ") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestFollowedForNothing: a layer whose bytes never come is given up when the input ends,
// when something comes that is to wait for layers, and when the stage ends.
func TestFollowedForNothing(t *testing.T) {
	a := newArriving(t, 1)
	a.feed(a.line("fetching", a.path))
	a.waitForObjects()
	if err := a.stage.Finish(); err != nil {
		t.Error(err)
	}
	a.wantNothing()

	a = newArriving(t, 1)
	a.feed(a.line("fetching", a.path), "odd -")
	if got := a.out.String(); got != "odd -\n" {
		t.Errorf("wrote %q", got)
	}
	a.out.Reset()
	a.feed(a.line("layer", file(t, a.blob)))
	a.wantStored()

	a = newArriving(t, 1)
	a.feed(a.line("fetching", a.path))
	a.waitForObjects()
	if err := a.stage.Close(); err != nil {
		t.Error(err)
	}
	a.wantNothing()
}

// TestFollowersSeats: layers that wait for their bytes keep no other layer from being stored.
func TestFollowersSeats(t *testing.T) {
	a := newArriving(t, 1)
	_, diffID, blob := sample(t)
	other := layerLine(diffID, blob, v1.MediaTypeImageLayerGzip, "path="+file(t, blob))
	a.feed(a.line("fetching", a.path))
	a.waitForObjects()
	a.feed("fetching"+strings.TrimPrefix(other, "layer"), other)
	waitFor(t, "the other layer", func() bool {
		_, err := oci.Stored(a.repo, oci.Key(diffID), true)
		return err == nil
	})
	a.write(int64(a.half), a.blob[a.half:])
	a.feed(a.line("layer", "/gone"))
	if err := a.stage.Finish(); err != nil {
		t.Error(err)
	}
}
