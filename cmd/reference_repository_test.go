package cmd

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/cmd/cmdtest"
	"cfs/lib/splitstream"
)

const (
	small       = vectors + "/repo-small"
	smallSource = "oci:" + small + "/oci:latest"
	smallPull   = "cfs-pull --progress none " + vectorPlatform + " " + smallSource + " small:latest"
)

// readSmall reads a file of the reference's small repository.
func readSmall(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(small, name))
	if err != nil {
		t.Skip("SKIPPED: the reference's vectors are not here: ", err)
	}
	return string(text)
}

// TestSmall: a first pull makes the repository that the reference's first pull and a
// collection leave, but for the compressed sections of the splitstreams, and so
// their own digests.
func TestSmall(t *testing.T) {
	t.Parallel()
	want := newSnapshot(readSmall(t, "listing-after-gc.txt"))
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, repo, smallPull+" --init --insecure --algorithm fsverity-sha256-12")
	got := newSnapshot(list(t, repo))
	if diff := cmp.Diff(want.lines, got.lines); diff != "" {
		t.Errorf("repository (-reference +ours):\n%s", diff)
	}
	if len(got.streams) != 4 {
		t.Errorf("%d streams, want 4", len(got.streams))
	}
	for name, object := range got.streams {
		decoded := readSmall(t, "decoded-first-pull/"+strings.ReplaceAll(name, ":", "_")[:40]+".json")
		if diff := cmp.Diff(want.decodedJSON(t, decoded), got.decode(t, repo, object)); diff != "" {
			t.Errorf("%s (-reference +ours):\n%s", name, diff)
		}
	}
}

// snapshot is a listing of a repository as in the vectors: type, mode, size, SHA-256
// and path of each thing, and where links lead.
type snapshot struct {
	lines   []string          // but for splitstreams, and their folders
	streams map[string]string // the objects of splitstreams by name, "XX/YYYY"
}

func newSnapshot(listing string) snapshot {
	s := snapshot{streams: map[string]string{}}
	lines := strings.Split(strings.TrimSpace(listing), "\n")
	var objects []string
	for i, line := range lines {
		if link, target, ok := strings.Cut(line, " -> ../objects/"); ok && strings.Contains(link, " streams/") {
			name := link[strings.Index(link, "streams/")+len("streams/"):]
			s.streams[name] = target
			objects = append(objects, target)
			lines[i] = link
		}
	}
	// What has no name, the reference has left the empty folder of.
	for _, line := range lines {
		_, path, isObject := strings.Cut(line, " objects/")
		if isObject && (path != "" && strings.HasSuffix(path, "/") || slices.Contains(objects, path)) {
			continue
		}
		s.lines = append(s.lines, line)
	}
	return s
}

// ours are the folders of a repository that are ours alone: those of leases, and what is in
// cfs. The reference has no refs to images.
var ours = []string{"streams/refs/cfs-lease", "images/refs", "images/refs/cfs-lease", "cfs"}

// list makes the listing of a repository, without what is ours alone.
func list(t *testing.T, repo string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(repo, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, repo+"/")
		if err != nil || path == repo || slices.Contains(ours, name) || strings.HasPrefix(name, "cfs/") {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		switch d.Type() {
		case fs.ModeDir:
			fmt.Fprintf(&b, "d %04o - - %s/\n", st.Mode().Perm(), name)
		case fs.ModeSymlink:
			target, err := os.Readlink(path)
			fmt.Fprintf(&b, "l 0777 - - %s -> %s\n", name, target)
			return err
		default:
			data, err := os.ReadFile(path)
			fmt.Fprintf(&b, "f %04o %d %x %s\n", st.Mode().Perm(), st.Size(), sha256.Sum256(data), name)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// decoded is a splitstream without its compression. Other streams go by their names.
type decoded struct {
	ContentType string     `json:"content_type_ascii"`
	Size        uint64     `json:"stream_size"`
	StreamRefs  []string   `json:"stream_refs"`
	ObjectRefs  []string   `json:"object_refs"`
	NamedRefs   []namedRef `json:"named_refs"`
	Chunks      []chunk    `json:"chunks"`
}

type namedRef struct{ Name, ID string }

// chunk is a number of literal bytes, or an object.
type chunk struct {
	Inline uint64
	ID     string
}

// rename replaces the digests of streams by their names.
func (s snapshot) rename(d decoded) decoded {
	name := func(id string) string {
		for name, object := range s.streams {
			if strings.Replace(object, "/", "", 1) == id {
				return name
			}
		}
		return id
	}
	for i, id := range d.StreamRefs {
		d.StreamRefs[i] = name(id)
	}
	for i, ref := range d.NamedRefs {
		d.NamedRefs[i].ID = name(ref.ID)
	}
	return d
}

// decodedJSON reads what the vectors' own decoder has written.
func (s snapshot) decodedJSON(t *testing.T, text string) decoded {
	t.Helper()
	var d decoded
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return s.rename(d)
}

// decode reads a splitstream of a repository.
func (s snapshot) decode(t *testing.T, repo, object string) decoded {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(repo, "objects", object))
	if err != nil {
		t.Fatal(err)
	}
	r, err := splitstream.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d := decoded{ContentType: r.ContentType.String(), Size: r.Size, StreamRefs: streamRefs(file), ObjectRefs: []string{}, NamedRefs: []namedRef{}}
	for _, id := range r.Objects {
		d.ObjectRefs = append(d.ObjectRefs, id.String())
	}
	for _, ref := range r.Refs {
		d.NamedRefs = append(d.NamedRefs, namedRef{ref.Name, ref.ID.String()})
	}
	for {
		object, literal, err := r.Next()
		if err == io.EOF {
			return s.rename(d)
		}
		if err == nil && object.IsZero() {
			_, err = io.Copy(io.Discard, struct{ io.Reader }{r})
		}
		if err != nil {
			t.Fatal(err)
		}
		d.Chunks = append(d.Chunks, chunk{literal, object.String()})
	}
}

// streamRefs returns the table of stream refs, in its order, of a file in the current
// layout: its bounds are the first of the info block.
func streamRefs(file []byte) []string {
	const sum = sha256.Size
	info := binary.LittleEndian.Uint64(file[16:])
	start, end := binary.LittleEndian.Uint64(file[info:]), binary.LittleEndian.Uint64(file[info+8:])
	refs := []string{}
	for ; start < end; start += sum {
		refs = append(refs, hex.EncodeToString(file[start:start+sum]))
	}
	return refs
}
