package pull

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/internal/repotest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/temporary"
	"cfs/lib/tolerance"
)

var none = digest.FromString("no manifest")

// sample is the tar of a layer, its diff ID, and the blob that it is compressed to.
func sample(t *testing.T) (tar []byte, diffID digest.Digest, blob []byte) {
	t.Helper()
	tar = repotest.Tar(t, repotest.Dir("usr"), repotest.File("usr/a", repotest.Text("a", 5000)))
	return tar, digest.FromBytes(tar), repotest.Gzip(t, tar)
}

// layerLine is the record of a blob that is a layer.
func layerLine(diffID digest.Digest, blob []byte, mediaType, rest string) string {
	return fmt.Sprintf("layer %s diff-id=%s media-type=%s size=%d %s", digest.FromBytes(blob), diffID, mediaType, len(blob), rest)
}

// streamOf returns what the name of a layer leads to.
func streamOf(t *testing.T, r *repo.Repo, key digest.Digest) string {
	t.Helper()
	id, err := r.Lookup(repo.Streams, oci.LayerName(oci.Key(key)))
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// TestImport: a layer is stored, named and leased; its record says where it is now, and
// keeps what else it said. What is not a layer passes through, after the layers before it.
func TestImport(t *testing.T) {
	r := newRepo(t)
	_, diffID, blob := sample(t)
	path := toSpool(t, t.TempDir(), blob)
	line := layerLine(diffID, blob, v1.MediaTypeImageLayerGzip, "for="+none.String())
	others := []string{"odd - x=y", "config -", "partial - what=x status=7"}
	got, err := importing(t, r, line+" x=1 path="+path+" y=2 spooled=1", others[0], others[1], others[2])
	if err != nil {
		t.Fatal(err)
	}
	stream := " stream=" + streamOf(t, r, diffID)
	wantLines(t, got, line+" x=1 y=2"+stream, others[0], others[1], others[2])
	if exists(path) {
		t.Error("the blob has stayed in the spool")
	}
	var leases int
	for ref := range r.Refs(repo.Streams, ".") {
		if oci.IsLease(ref) && ref.Target == oci.LayerName(oci.Key(diffID)) {
			leases++
		}
	}
	if leases != 1 {
		t.Errorf("%d leases", leases)
	}

	// What is there already is not read again, but removed from the spool.
	path = toSpool(t, t.TempDir(), blob)
	if got, err = importing(t, r, line+" path="+path+" spooled=1", line+" path=/gone", line+stream); err != nil {
		t.Error(err)
	}
	wantLines(t, got, line+stream, line+stream, line+stream)
	if exists(path) {
		t.Error("the blob has stayed in the spool")
	}
}

// TestImportFindsOut: what a record does not say is found out.
func TestImportFindsOut(t *testing.T) {
	tar, diffID, zipped := sample(t)
	text := []byte("of an artifact")
	for name, v := range map[string]struct {
		content    []byte
		line, want string
	}{
		"tar":  {tar, "layer - x=y", fmt.Sprintf("layer %s x=y diff-id=%s size=%d", diffID, diffID, len(tar))},
		"gzip": {zipped, "layer -", fmt.Sprintf("layer %s diff-id=%s size=%d", digest.FromBytes(zipped), diffID, len(zipped))},
		"zstd": {repotest.Zstd(t, tar), "layer -", fmt.Sprintf("layer %s diff-id=%s size=%d", digest.FromBytes(repotest.Zstd(t, tar)), diffID, len(repotest.Zstd(t, tar)))},
		"blob": {text, "blob - media-type=text/plain", fmt.Sprintf("blob %s media-type=text/plain size=%d", digest.FromBytes(text), len(text))},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			path := file(t, v.content)
			got, err := importing(t, r, v.line+" path="+path)
			if err != nil {
				t.Fatal(err)
			}
			key := diffID
			if name == "blob" {
				key = digest.FromBytes(text)
			}
			wantLines(t, got, v.want+" stream="+streamOf(t, r, key))
			if !exists(path) {
				t.Error("the file has gone")
			}
		})
	}
}

// TestImportReader: one layer that is read has a record as any other.
func TestImportReader(t *testing.T) {
	r := newRepo(t)
	tar, diffID, blob := sample(t)
	var out bytes.Buffer
	i := newImporter(t, r, &out)
	defer i.Close()
	if err := i.Import("file", bytes.NewReader(blob), ""); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("layer %s diff-id=%s size=%d stream=%s\n", digest.FromBytes(blob), diffID, len(blob), streamOf(t, r, diffID))
	if out.String() != want {
		t.Errorf("got  %swant %s", out.String(), want)
	}
	err := i.Import("file", bytes.NewReader(tar), none)
	if !corrupt.Is(err) || !strings.HasPrefix(err.Error(), "file: ") {
		t.Error(err)
	}
}

// TestImportRefuses: nothing is named of what is not as its record says, and the record of
// no later layer is written.
func TestImportRefuses(t *testing.T) {
	_, diffID, blob := sample(t)
	path := file(t, blob)
	gzip := v1.MediaTypeImageLayerGzip
	for _, v := range []struct {
		line, want string
		is         func(error) bool
	}{
		{strings.Replace(layerLine(diffID, blob, gzip, "path="+path), digest.FromBytes(blob).String(), none.String(), 1), "digest", corrupt.Is},
		{layerLine(none, blob, gzip, "path="+path), "diff ID", corrupt.Is},
		{strings.Replace(layerLine(diffID, blob, gzip, "path="+path), "size=", "size=1", 1), "bytes", corrupt.Is},
		{layerLine(diffID, blob, "application/x", "path="+path), `media type "application/x" is not one of a container's layer`, nil},
		{layerLine(diffID, blob, gzip, "path=/no/such/file"), "/no/such/file", temporary.Is},
		{layerLine(diffID, blob, gzip, "stream="+none.Encoded()), "is not in the repository", temporary.Is},
		{layerLine(diffID, blob, gzip, "path="+filepath.Dir(path)), "is not a regular file", nil},
		{layerLine(diffID, blob, "", "path="+filepath.Dir(path)), "is not a regular file", nil},
		{"layer - diff-id=x", `diff-id "x"`, nil},
		{"blob " + none.String() + " path=" + path, "digest", corrupt.Is},
	} {
		r := newRepo(t)
		got, err := importing(t, r, v.line, "odd -")
		wantError(t, err, v.want)
		kind, _, _ := strings.Cut(v.line, " ")
		if err != nil && (!strings.HasPrefix(err.Error(), kind+" ") || v.is != nil && !v.is(err) || v.is == nil && (corrupt.Is(err) || temporary.Is(err))) {
			t.Errorf("%v", err)
		}
		if names, err := r.Names(repo.Streams); err != nil || len(names) > 0 || got != nil {
			t.Errorf("names %s, records %q, %v", names, got, err)
		}
	}
}

// TestImportStrict: Docker's media types are refused, also of a layer that is stored.
func TestImportStrict(t *testing.T) {
	r := newRepo(t)
	_, diffID, blob := sample(t)
	line := layerLine(diffID, blob, "application/vnd.docker.image.rootfs.diff.tar.gzip", "path="+file(t, blob))
	if _, err := importing(t, r, line); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	i := newImporter(t, r, &out)
	i.Rules = tolerance.Strict(true)
	if _, err := run(t, i, i.Finish, &out, line); !errors.Is(err, tolerance.ErrRefused) {
		t.Error(err)
	}
}

// TestImportOtherCompression: layers that are not compressed as their media types say are
// stored, and told of in the order of their records; strict rules refuse them.
func TestImportOtherCompression(t *testing.T) {
	r := newRepo(t)
	tar, diffID, blob := sample(t)
	lines := []string{
		layerLine(diffID, tar, v1.MediaTypeImageLayerGzip, "path="+file(t, tar)),
		layerLine(diffID, blob, v1.MediaTypeImageLayerZstd, "path="+file(t, blob)),
	}
	var out bytes.Buffer
	i := newImporter(t, r, &out)
	i.Rules = tolerance.Strict(false)
	if _, err := run(t, i, i.Finish, &out, lines[0]); err != nil {
		t.Fatal(err)
	}
	want := []string{"layer " + digest.FromBytes(tar).String() + ": its content is tar, its media type says gzip: cfsctl 0.9.0 refuses it"}
	if got := i.Rules.Warnings(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for n, line := range lines {
		strict := newImporter(t, newRepo(t), &out)
		strict.Rules = tolerance.Strict(true)
		if _, err := run(t, strict, strict.Finish, &out, line); !errors.Is(err, tolerance.ErrRefused) {
			t.Errorf("line %d: %v", n, err)
		}
	}
}

// TestImportOtherType: the blob of an artifact may have the key of a container's layer,
// which is stored again then.
func TestImportOtherType(t *testing.T) {
	r := newRepo(t)
	tar, diffID, _ := sample(t)
	path := file(t, tar)
	if _, err := importing(t, r, fmt.Sprintf("blob %s path=%s", diffID, path)); err != nil {
		t.Fatal(err)
	}
	blob := streamOf(t, r, diffID)
	if _, err := importing(t, r, layerLine(diffID, tar, v1.MediaTypeImageLayer, "path="+path)); err != nil {
		t.Fatal(err)
	}
	if streamOf(t, r, diffID) == blob {
		t.Error("the layer was not stored")
	}
}

// TestImportNoRepo: without a repository there is nothing to close.
func TestImportNoRepo(t *testing.T) {
	i := &Importer{Open: func() (*repo.Repo, error) { return nil, fs.ErrNotExist }}
	if err := i.Start(); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}

// endless returns a tar of one file, and so many zeros behind it that nobody reads them to
// their end.
func endless(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	out := tar.NewWriter(&text)
	content := repotest.Text("begun", 1<<14)
	if err := out.WriteHeader(&tar.Header{Name: "file", Typeflag: tar.TypeReg, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(out, content); err != nil {
		t.Fatal(err)
	}
	path := file(t, text.Bytes())
	if err := os.Truncate(path, 1<<43); err != nil {
		t.Fatal(err)
	}
	return path
}

// waitBegun returns when the file of such a tar has been stored.
func waitBegun(t *testing.T, r *repo.Repo) {
	t.Helper()
	id := r.Algorithm.Sum([]byte(repotest.Text("begun", 1<<14)))
	for {
		_, err := r.Objects.Size(id)
		if err == nil {
			return
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// wantNothing checks that nothing was named or said.
func wantNothing(t *testing.T, r *repo.Repo, out *bytes.Buffer) {
	t.Helper()
	if names, err := r.Names(repo.Streams); err != nil || len(names) > 0 || out.Len() > 0 {
		t.Errorf("names %s, records %q, %v", names, out.String(), err)
	}
}

// TestFailureStopsWriters: when a layer fails, those that are being written end, as if their
// bytes never did. The failure comes back when they have ended.
func TestFailureStopsWriters(t *testing.T) {
	r := newRepo(t)
	var out bytes.Buffer
	i := newImporter(t, r, &out)
	if err := feed(t, i, "layer - path="+endless(t)); err != nil {
		t.Fatal(err)
	}
	waitBegun(t, r)
	if err := feed(t, i, "layer - path=/no/such/file"); err != nil {
		t.Error(err) // it comes back later
	}
	wantError(t, i.Finish(), "layer -: open /no/such/file")
	wantNothing(t, r, &out)
	wantError(t, feed(t, i, "odd -"), "layer -: open /no/such/file")
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}

// TestCloseStopsWriters: they end as well when the stage ends for another reason.
func TestCloseStopsWriters(t *testing.T) {
	r := newRepo(t)
	var out bytes.Buffer
	i := newImporter(t, r, &out)
	if err := feed(t, i, "layer - path="+endless(t)); err != nil {
		t.Fatal(err)
	}
	waitBegun(t, r)
	if err := i.Close(); err != nil {
		t.Error(err)
	}
	wantNothing(t, r, &out)
}

// TestFault13: what is not a regular file behind path= was waited for, or read without end.
func TestFault13(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(unix.Mkfifo(dir+"/fifo", 0o644), unix.Mknod(dir+"/socket", unix.S_IFSOCK|0o644, 0),
		os.Symlink("/dev/zero", dir+"/zero"), os.Mkdir(dir+"/folder", 0o755)); err != nil {
		t.Fatal(err)
	}
	some := digest.FromString("some")
	for _, name := range []string{"fifo", "socket", "zero", "folder"} {
		for _, rec := range []string{"layer -", "blob " + some.String()} {
			if _, err := importing(t, newRepo(t), rec+" path="+dir+"/"+name); !errors.Is(err, fd.ErrNotRegular) {
				t.Errorf("%s of %s: %v", rec, name, err)
			}
		}
		if _, err := readFile(dir+"/"+name, some); !errors.Is(err, fd.ErrNotRegular) {
			t.Errorf("a document in %s: %v", name, err)
		}
	}
}
