package lib

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cfs/lib/blob"
	"cfs/lib/boot"
	"cfs/lib/chunked"
	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/internal/repotest"
	"cfs/lib/layer"
	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/selinux"
	"cfs/lib/splitstream"
	"cfs/lib/tarball"
	"cfs/lib/tarsplit"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// reading is a function of lib that reads.
type reading struct {
	name string // "package.Function", and more where there are several
	data []byte
	read func(*faulty) error
}

// readers are all functions of lib that read through a reader which they are given.
func readers(t *testing.T) []reading {
	t.Helper()
	archive := sampleTar(t)
	zipped, packed := repotest.Gzip(t, archive), repotest.Zstd(t, archive)
	stream := sampleStream(t, archive)
	root := &tree.Inode{Mode: unix.S_IFDIR | 0o755}
	var image, dump bytes.Buffer
	if err := errors.Join(erofs.Write(&image, root, variant.V1), dumpfile.Write(&dump, root)); err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("text ", 100))
	d := digest.FromBytes(text)
	r := repotest.New(t, verity.SHA256)
	return []reading{
		{"blob.ReadJSON", text, func(f *faulty) error { return second(blob.ReadJSON(f, "text")) }},
		{"blob.ReadAll", text, func(f *faulty) error { return second(blob.ReadAll(f, d, int64(len(text)))) }},
		{"blob.NewReader", text, func(f *faulty) error { return drain(blob.NewReader(f, d, int64(len(text)))) }},
		{"blob.Ahead", text, func(f *faulty) error { return drain(blob.Ahead(f, nil), nil) }},
		{"blob.Decompress none", archive, decompress(blob.None)},
		{"blob.Decompress gzip", zipped, decompress(blob.Gzip)},
		{"blob.Decompress zstd", packed, decompress(blob.Zstd)},
		{"blob.Sniff", zipped, func(f *faulty) error { return sniff(f) }},
		{"erofs.ReadFormat", image.Bytes(), func(f *faulty) error { return second(erofs.ReadFormat(f)) }},
		{"erofs.Read", image.Bytes(), func(f *faulty) error { return second(erofs.Read(f, 0)) }},
		{"dumpfile.Read", dump.Bytes(), func(f *faulty) error { return second(dumpfile.Read(f, dumpfile.Options{})) }},
		{"verity.SumReader", text, func(f *faulty) error { _, _, err := verity.SHA256.SumReader(f); return err }},
		{"record.NewReader", []byte("layer - size=1\nlayer - size=2\n"), readRecords},
		{"tarball.Reader", archive, readHeaders},
		{"layer.Split", archive, func(f *faulty) error { return split(f, io.Discard) }},
		{"splitstream.NewReader", stream, join},
		{"splitstream.ReadInfo", stream, func(f *faulty) error { _, err := splitstream.ReadInfo(f, int64(len(f.data))); return err }},
		{"layer.Merger", stream, merge},
		{"boot.ReadUKI", samplePE(), func(f *faulty) error { return second(boot.ReadUKI(f)) }},
		{"boot.Entries", []byte("title x\nlinux /k\n"), entries},
		{"selinux.Relabel", []byte("SELINUXTYPE=t\n"), relabel(selinux.Relabel)},
		{"boot.ReadRelease", []byte("ID=a\n"), release},
		{"boot.Transform", []byte("SELINUXTYPE=t\n"), relabel(boot.Transform)},
		{"manifest.Find", []byte("{}"), findManifest},
		{"objects.Put", text, func(f *faulty) error { _, _, err := r.Objects.Put(f, int64(len(text))); return err }},
		{"objects.Put large", bytes.Repeat(text, 600), func(f *faulty) error { return putLarge(r, f) }},
		{"objects.PutFile", text, func(f *faulty) error { _, _, err := r.Objects.PutFile(f, -1, int64(len(text))); return err }},
		{"oci.ImportLayer", zipped, func(f *faulty) error {
			return second(oci.ImportLayer(t.Context(), r, f, blob.Gzip, oci.Source{Digest: digest.FromBytes(zipped), Size: int64(len(zipped))}))
		}},
		{"oci.ImportLayer zstd, unknown", packed, func(f *faulty) error {
			return second(oci.ImportLayer(t.Context(), r, f, blob.Zstd, oci.Source{Size: -1}))
		}},
		{"oci.ImportAssembly", stream, func(f *faulty) error {
			return second(oci.ImportAssembly(t.Context(), r, r, f, int64(len(f.data)), oci.Source{}))
		}},
		{"oci.ImportTarSplit", []byte(`{"type":2,"payload":"` + strings.Repeat("AAAA", 512) + `"}` + "\n"), func(f *faulty) error {
			return second(oci.ImportTarSplit(t.Context(), r, f, nil, oci.Source{}))
		}},
		{"oci.ImportBlobAssembly", stream, func(f *faulty) error {
			return second(oci.ImportBlobAssembly(t.Context(), r, r, f, int64(len(f.data)), oci.Source{Size: -1}))
		}},
		{"chunked.ReadTOC", packedTOC(t), readTOC(t)},
		{"chunked.ReadTarSplit", packedTarSplit(t), readPackedTarSplit(t)},
		{"tarsplit.NewReader", []byte(`{"type":2,"payload":"AAAA"}` + "\n"), readTarSplit},
		{"oci.ImportBlob", text, func(f *faulty) error {
			return second(oci.ImportBlob(t.Context(), r, f, oci.Source{Digest: d, Size: -1}))
		}},
	}
}

// packedTOC and packedTarSplit are the tables of a layer in the form zstd:chunked.
func packedTOC(t testing.TB) []byte { return repotest.Zstd(t, []byte(plainTOC)) }

func packedTarSplit(t testing.TB) []byte { return repotest.Zstd(t, []byte(plainTarSplit)) }

const (
	plainTOC      = `{"version":1,"entries":[]}`
	plainTarSplit = `{"type":2,"payload":"AAAA"}` + "\n"
)

func chunkedLayer(t testing.TB) *chunked.Layer {
	t.Helper()
	table, split := packedTOC(t), packedTarSplit(t)
	const prefix = "io.github.containers.zstd-chunked."
	l, err := chunked.Parse(v1.Descriptor{Size: 10000, Annotations: map[string]string{
		prefix + "manifest-position": fmt.Sprintf("1000:%d:%d:1", len(table), len(plainTOC)), prefix + "manifest-checksum": digest.FromBytes(table).String(),
		prefix + "tarsplit-position": fmt.Sprintf("2000:%d:%d", len(split), len(plainTarSplit)), prefix + "tarsplit-checksum": digest.FromBytes(split).String(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func readTOC(t testing.TB) func(*faulty) error {
	return func(f *faulty) error { return second(chunkedLayer(t).ReadTOC(f)) }
}

func readPackedTarSplit(t testing.TB) func(*faulty) error {
	return func(f *faulty) error { return chunkedLayer(t).ReadTarSplit(f, nil, nil) }
}

func readTarSplit(f *faulty) error {
	r := tarsplit.NewReader(f)
	_, err := r.Next()
	for err == nil {
		_, err = r.Next()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func second[T any](_ T, err error) error { return err }

func drain(in io.Reader, err error) error {
	if err != nil {
		return err
	}
	if c, ok := in.(io.Closer); ok {
		defer c.Close()
	}
	return second(io.Copy(io.Discard, in))
}

func decompress(c blob.Compression) func(*faulty) error {
	return func(f *faulty) error {
		in, err := blob.Decompress(f, c)
		return drain(in, err)
	}
}

func sniff(f *faulty) error {
	_, in, err := blob.Sniff(f)
	return drain(in, err)
}

func readRecords(f *faulty) error {
	for in := record.NewReader(f); ; {
		if _, err := in.Next(); err != nil {
			return unlessEOF(err)
		}
	}
}

func unlessEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func readHeaders(f *faulty) error {
	for in := (tarball.Reader{In: f}); ; {
		m, err := in.Next()
		if err != nil {
			return unlessEOF(err)
		}
		if _, err := io.CopyN(io.Discard, f, int64(m.Size)+m.Padding()); err != nil {
			return err
		}
	}
}

// split writes the splitstream of a tar.
func split(in io.Reader, out io.Writer) error {
	w, err := splitstream.NewWriter(verity.SHA256, splitstream.Layer, func() (*os.File, error) { return nil, errors.ErrUnsupported })
	if err != nil {
		return err
	}
	defer w.Close()
	put := func(content io.Reader, size int64) (verity.ID, error) {
		id, _, err := verity.SHA256.SumReader(content)
		return id, err
	}
	if err := layer.Split(in, w, layer.Each(put)); err != nil {
		return err
	}
	w.AddRef("ref", verity.SHA256.Sum(nil))
	return w.Finish(out)
}

// join reads all of a splitstream but the objects.
func join(f *faulty) error {
	s, err := splitstream.NewReader(f, int64(len(f.data)))
	if err != nil {
		return err
	}
	defer s.Close()
	return second(s.Join(io.Discard, func(verity.ID) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }))
}

func merge(f *faulty) error {
	s, err := splitstream.NewReader(f, int64(len(f.data)))
	if err != nil {
		return err
	}
	defer s.Close()
	var g layer.Merger
	if err := g.Add(s); err != nil {
		return err
	}
	return second(g.Tree())
}

func entries(f *faulty) error {
	root := tree.NewDir(0o755)
	file := place(root, "boot/loader/entries/a.conf", len(f.data))
	place(root, "k", 1)
	found, err := boot.Entries(root, func(n *tree.Inode) (io.ReadCloser, error) { return f, nil })
	if err == nil && (len(found) != 1 || found[0].File != file) {
		return fmt.Errorf("found %v", found)
	}
	return err
}

func release(f *faulty) error {
	root := tree.NewDir(0o755)
	place(root, "etc/os-release", len(f.data))
	found, err := boot.ReadRelease(root, func(n *tree.Inode) (io.ReadCloser, error) { return f, nil })
	if err == nil && found.ID != "a" {
		return fmt.Errorf("found %+v", found)
	}
	return err
}

// relabel reads a policy whose config is data, and whose contexts are none.
func relabel(do func(*tree.Inode, tree.Content) error) func(*faulty) error {
	return func(f *faulty) error {
		root := tree.NewDir(0o755)
		for _, dir := range []string{"usr", "boot", "sysroot"} {
			root.Put(dir, tree.NewDir(0o755))
		}
		place(root, "etc/selinux/config", len(f.data))
		place(root, "etc/selinux/t/contexts/files/file_contexts", len(f.data))
		return do(root, func(n *tree.Inode) (io.ReadCloser, error) {
			if n == root.Lookup("etc").Lookup("selinux").Lookup("config") {
				return f, nil
			}
			return &faulty{data: []byte("/.*\tlabel\n"), reads: f.reads, failAt: f.failAt, failure: f.failure}, nil
		})
	}
}

// place puts a regular file of a size that is an object into a tree.
func place(dir *tree.Inode, path string, size int) *tree.Inode {
	for name, rest, ok := strings.Cut(path, "/"); ok; name, rest, ok = strings.Cut(path, "/") {
		if dir.Lookup(name) == nil {
			dir.Put(name, tree.NewDir(0o755))
		}
		dir, path = dir.Lookup(name), rest
	}
	n := &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: uint64(size), Object: verity.SHA256.Sum([]byte(path))}
	dir.Put(path, n)
	return n
}

// findManifest looks in an index for a manifest whose platform its config says, which is
// what it reads.
func findManifest(f *faulty) error {
	config := `{"os":"linux","architecture":"amd64"}`
	text := fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":1},"layers":[]}`, v1.MediaTypeImageConfig, digest.FromString(config))
	index := fmt.Sprintf(`{"manifests":[{"mediaType":%q,"digest":%q,"size":1}]}`, v1.MediaTypeImageManifest, digest.FromString(text))
	blobs := map[digest.Digest]string{digest.FromString(config): config, digest.FromString(text): text, digest.FromString(index): index}
	_, err := manifest.Find([]v1.Descriptor{{MediaType: v1.MediaTypeImageIndex, Digest: digest.FromString(index)}},
		&v1.Platform{OS: "linux", Architecture: "amd64"}, func(d v1.Descriptor) ([]byte, error) {
			if _, err := f.ReadAt(make([]byte, 1), 0); err != nil {
				return nil, err
			}
			return []byte(blobs[d.Digest]), nil
		})
	return err
}

func putLarge(r *repo.Repo, f *faulty) error {
	_, _, err := r.Objects.Put(f, int64(len(f.data)))
	return err
}

// sampleTar is a tar with large, small and empty files, and extension headers.
func sampleTar(t *testing.T) []byte {
	t.Helper()
	file := func(name, content string) repotest.Member { return repotest.File(name, content) }
	extended := file(strings.Repeat("long/", 50)+"x", "x")
	extended.Format = tar.FormatPAX
	return repotest.Tar(t, repotest.Dir("usr"), file("usr/small", "small"), file("usr/large", repotest.Text("large", 700)), file("usr/empty", ""),
		extended, repotest.Symlink("link", "usr"))
}

func sampleStream(t *testing.T, archive []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := split(bytes.NewReader(archive), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// samplePE is a unified kernel image of two sections.
func samplePE() []byte {
	b := make([]byte, 512)
	binary.LittleEndian.PutUint32(b[0x3c:], 0x40)
	copy(b[0x40:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(b[0x46:], 2) // sections
	for i, section := range []struct{ name, text string }{{".osrel", "NAME=x\n"}, {".cmdline", "quiet"}} {
		h, at := b[0x58+40*i:], 0x100+0x40*i
		copy(h, section.name)
		binary.LittleEndian.PutUint32(h[8:], uint32(len(section.text)))
		binary.LittleEndian.PutUint32(h[20:], uint32(at))
		copy(b[at:], section.text)
	}
	return b
}
