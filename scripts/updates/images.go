package main

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// layerShape is what a layer is made of, after a Debian base and one with compilers, Python, git and
// PostgreSQL in it: how many packages it has, how many of them an update changes, and its files.
type layerShape struct {
	packages, changed, files int
	mean                     float64 // bytes of a file
}

var layers = []layerShape{
	{packages: 88, changed: 6, files: 5100, mean: 23_000},
	{packages: 174, changed: 24, files: 15_700, mean: 44_000},
}

// file is a file of a package. Its content follows from the seed.
type file struct {
	path  string
	size  int
	seed  uint64
	built time.Time // with its package
}

// list returns those of a layer in the order of their paths, as a builder that walks a tree finds
// them: those of a package lie apart from each other. version is what changed packages are of.
func (s layerShape) list(n, version, scale int) (files []file) {
	for p := range s.packages {
		// Packages that change are spread over all.
		v := 1
		if changes := p*s.changed/s.packages != (p+1)*s.changed/s.packages; changes {
			v = version
		}
		r := rand.New(rand.NewPCG(uint64(n)<<32+uint64(p), uint64(v)))
		built := time.Unix(1_600_000_000+int64(p)*7000+int64(v)*86400, 0)
		count := max(1, s.files*scale/100/s.packages)
		name := fmt.Sprintf("package-%d-%03d", n, p)
		for i := range count {
			dir := []string{"usr/bin", "usr/lib/" + name, "usr/share/doc/" + name, "usr/share/" + name}[i*4/count]
			// Half of the files are below 5 KB, as in distributions.
			size := min(int(math.Exp(math.Log(s.mean)-1.86+1.93*r.NormFloat64())), 32<<20)
			files = append(files, file{fmt.Sprintf("%s/%s-%03d", dir, name, i), size, r.Uint64(), built})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return files
}

// words are what contents are made of, so that they are compressed to about two fifths, as
// programs are.
var words = func() []byte {
	w := make([]byte, 12<<10)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range w {
		w[i] = byte(r.Uint32())
	}
	return w
}()

// write writes the content of a file.
func (f file) write(w io.Writer) error {
	r := rand.New(rand.NewPCG(f.seed, 3))
	buf := make([]byte, 0, 64<<10)
	for left := f.size; left > 0; left -= len(buf) {
		buf = buf[:0]
		for n := min(left, cap(buf)-64); len(buf) < n; {
			x := r.Uint64()
			buf = append(buf, byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
			at := int(x >> 32 % uint64(len(words)-40))
			buf = append(buf, words[at:at+8+int(x>>59)]...)
		}
		buf = buf[:min(left, len(buf))]
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// image is what the server has of an image.
type image struct {
	dir      string // with its blobs
	manifest []byte
	layers   []v1.Descriptor
}

// makeImages makes v1, v2 and v1 built anew, or takes those that are there.
func makeImages(dir string, scale int) (map[string]*image, error) {
	compressor := filepath.Join(dir, "chunk")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-o", compressor, ".")
	build.Dir, build.Stderr = "scripts/updates/_chunk", os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("the program that compresses layers: %w", err)
	}
	images := map[string]*image{}
	for _, i := range []struct {
		name    string
		version int
		day     int64
	}{{"v1", 1, 0}, {"v2", 2, 1}, {"anew", 1, 1}} {
		var err error
		if images[i.name], err = makeImage(fmt.Sprintf("%s/%s-%d", dir, i.name, scale), compressor, i.version, scale, time.Unix(1_700_000_000+i.day*86400, 0)); err != nil {
			return nil, fmt.Errorf("image %s: %w", i.name, err)
		}
	}
	return images, nil
}

func makeImage(dir, compressor string, version, scale int, built time.Time) (*image, error) {
	i := &image{dir: dir}
	var err error
	if i.manifest, err = os.ReadFile(dir + "/manifest"); err == nil {
		var m v1.Manifest
		err = json.Unmarshal(i.manifest, &m)
		i.layers = m.Layers
		return i, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	config := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH}, RootFS: v1.RootFS{Type: "layers"}}
	for n, s := range layers {
		d, diffID, err := i.layer(compressor, s.list(n, version, scale), built)
		if err != nil {
			return nil, err
		}
		i.layers = append(i.layers, d)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	c := v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(text), Size: int64(len(text))}
	if err := os.WriteFile(i.blob(c.Digest), text, 0o644); err != nil {
		return nil, err
	}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: c, Layers: i.layers}
	if i.manifest, err = json.Marshal(m); err != nil {
		return nil, err
	}
	return i, os.WriteFile(dir+"/manifest", i.manifest, 0o644)
}

func (i *image) blob(d digest.Digest) string { return filepath.Join(i.dir, d.Encoded()) }

// layer writes a layer, compressed as podman does.
func (i *image) layer(compressor string, files []file, built time.Time) (d v1.Descriptor, diffID digest.Digest, err error) {
	name := i.dir + "/layer"
	c := exec.Command(compressor, name)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return d, "", err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return d, "", err
	}
	if err := c.Start(); err != nil {
		return d, "", err
	}
	diff := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(in, diff), 1<<20)
	if err := errors.Join(writeTar(buffered, files, built), buffered.Flush(), in.Close()); err != nil {
		return d, "", errors.Join(err, c.Wait())
	}
	err = json.NewDecoder(out).Decode(&d.Annotations)
	if err := errors.Join(err, c.Wait()); err != nil {
		return d, "", err
	}
	f, err := os.Open(name)
	if err != nil {
		return d, "", err
	}
	defer f.Close()
	d.MediaType = v1.MediaTypeImageLayerZstd
	if d.Digest, err = digest.FromReader(f); err != nil {
		return d, "", err
	}
	st, err := f.Stat()
	if err != nil {
		return d, "", err
	}
	d.Size = st.Size()
	return d, digest.NewDigest(digest.SHA256, diff), os.Rename(name, i.blob(d.Digest))
}

// writeTar writes a tar of some files and the folders that they are in.
func writeTar(w io.Writer, files []file, built time.Time) error {
	t := tar.NewWriter(w)
	seen := map[string]bool{".": true}
	var folders func(dir string) error
	folders = func(dir string) error {
		if seen[dir] {
			return nil
		}
		seen[dir] = true
		if err := folders(filepath.Dir(dir)); err != nil {
			return err
		}
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: built})
	}
	for _, f := range files {
		if err := folders(filepath.Dir(f.path)); err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.path, Size: int64(f.size), Mode: 0o644, ModTime: f.built}); err != nil {
			return err
		}
		if err := f.write(t); err != nil {
			return err
		}
	}
	return t.Close()
}
