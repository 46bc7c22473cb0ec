package fsck_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/fsck"
	"cfs/lib/internal/repotest"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// TestBadStream: objects that are what their names say can still be streams that are not.
func TestBadStream(t *testing.T) {
	text := []byte("all of a layer")
	f := newFixture(t)
	cut := f.stream(text, uint64(len(text)))
	cut = cut[:len(cut)-1]
	binary.LittleEndian.PutUint64(cut[72:], uint64(len(cut))) // where the last section ends
	for _, v := range []struct {
		name    string
		stream  []byte
		content bool // seen with Content only
		want    string
	}{
		{"cut in its last section", cut, false, "splitstream chunk: unexpected EOF"},
		{"of another size than it says", f.stream(text, 20), true, "it has 14 bytes, its header says 20"},
		{"of another layer", f.stream([]byte("of another layer"), 16), true, "its content has the digest sha256:OTHER, not sha256:OTHER"},
	} {
		t.Run(v.name, func(t *testing.T) {
			f.t = t
			id, _, err := f.Objects.PutBytes(v.stream)
			if err != nil {
				t.Fatal(err)
			}
			repotest.Name(t, f.Repo, digest.FromBytes(text), id)
			for _, content := range []bool{false, true} {
				c := &fsck.Checker{Content: content}
				_, problems := f.check(c)
				if v.content && !content {
					repotest.WantLines(t, problems)
					continue
				}
				repotest.WantLines(t, problems, "fsck: stream-read-failed: streams/oci-layer-sha256:OTHER: "+v.want)
				if _, names, err := c.Repair(); names != 1 || err != nil {
					t.Errorf("repaired %d names, %v", names, err)
				}
				repotest.Name(t, f.Repo, digest.FromBytes(text), id)
			}
		})
	}
}

// stream returns a stream of one object, that of text, which it says is of that size.
func (f *fixture) stream(text []byte, size uint64) []byte {
	f.t.Helper()
	object, _, err := f.Objects.PutBytes(text)
	if err != nil {
		f.t.Fatal(err)
	}
	w, err := splitstream.NewWriter(f.Algorithm, splitstream.Layer, f.Objects.Temp)
	if err != nil {
		f.t.Fatal(err)
	}
	defer w.Close()
	var file bytes.Buffer
	if err := errors.Join(w.WriteObject(object, size), w.Finish(&file)); err != nil {
		f.t.Fatal(err)
	}
	return file.Bytes()
}

// TestUnprotected: where the repository is protected by fs-verity, an object that is not
// has a category of its own, though its bytes are right.
func TestUnprotected(t *testing.T) {
	path := t.TempDir() + "/repo"
	err := repo.Init(path, repo.New{Algorithm: verity.SHA256, Formats: []variant.Format{variant.V1}})
	if errors.Is(err, verity.ErrUnsupported) {
		t.Skipf("SKIPPED: %s: %v", os.TempDir(), err)
	}
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Repo: repotest.Open(t, path), t: t}
	f.pull()
	before := repotest.List(t, f.Repo)
	repotest.Replace(t, f.Repo, f.file, []byte(repotest.Text("a", 100)))
	c := &fsck.Checker{}
	_, problems := f.check(c)
	repotest.WantLines(t, problems,
		"fsck: object-verity-missing: objects/FILE: object FILE: fs-verity is not enabled on the file",
		"fsck: missing-object-ref: streams/oci-layer-LAYERKEY: FILE",
		"fsck: image-missing-object: images/EROFS: FILE")
	if _, _, err := c.Repair(); err != nil {
		t.Fatal(err)
	}
	f.pull()
	repotest.WantList(t, f.Repo, before)
	if _, problems := f.check(&fsck.Checker{Content: true}); problems != nil {
		t.Errorf("not healed: %q", problems)
	}
}
