package erofs_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// vectorDir holds what the reference implementations made of many inputs.
const vectorDir = "../../../shared/vectors"

var versions = []variant.Format{variant.V0, variant.V1, variant.V2}

// vector is a dumpfile with what its images are.
type vector struct {
	name   string
	dump   []byte
	compat bool
	images map[variant.Format]image

	auto      *variant.Format // what mkcomposefs takes by itself, if known
	published string          // sha256 of the image that its test suite has
}

// image is what is known of an image; an empty field is not known.
type image struct {
	refused                  bool
	tooLarge                 bool // that is why; else for how the dumpfile is
	size                     int
	sha256sum                string
	fsverity256, fsverity512 string
}

func readVectors(t testing.TB) []vector {
	if _, err := os.Stat(vectorDir); err != nil {
		t.Skipf("NOT TESTED: the vectors are not there: %v", err)
	}
	list := readDumpVectors(t)
	for _, dir := range []string{"layers", "boot", "images"} {
		list = append(list, readTreeVectors(t, filepath.Join(vectorDir, dir))...)
	}
	if len(list) < 100 {
		t.Fatalf("only %d vectors", len(list))
	}
	return list
}

// readDumpVectors reads the vectors that were made for this format.
func readDumpVectors(t testing.TB) []vector {
	dir := filepath.Join(vectorDir, "erofs")
	type result struct {
		Note   string
		Expect *struct {
			Size           int
			Sha256sum      string
			FsveritySHA256 string `json:"fsverity_sha256"`
			FsveritySHA512 string `json:"fsverity_sha512"`
		}
	}
	var file struct {
		Dumps map[string]struct {
			DerivedFrom    string          `json:"derived_from"`
			SameDumpAs     string          `json:"same_dump_as"`
			DefaultVersion *variant.Format `json:"c_default_version"`
			AssetSHA256    string          `json:"asset_sha256sum"`
			AssetVersion   string          `json:"asset_version"`
			V0, V1, V2     result
		}
	}
	readJSON(t, filepath.Join(dir, "vectors.json"), &file)
	var list []vector
	for name, d := range file.Dumps {
		v := vector{name: name, compat: strings.HasPrefix(name, "assets/"), images: make(map[variant.Format]image)}
		v.auto = d.DefaultVersion
		if strings.HasPrefix(d.AssetVersion, "C default") {
			v.published = d.AssetSHA256
		}
		source := name
		if d.SameDumpAs != "" {
			source = d.SameDumpAs
		}
		if d.DerivedFrom != "" {
			source = d.DerivedFrom
		}
		v.dump = readFile(t, filepath.Join(dir, source))
		if d.DerivedFrom != "" {
			v.dump = bytes.ReplaceAll(v.dump, []byte(".file - "), []byte(" - "))
		}
		for i, r := range []result{d.V0, d.V1, d.V2} {
			if r.Expect == nil {
				v.images[versions[i]] = image{refused: true, tooLarge: strings.Contains(r.Note, "exceed")}
				continue
			}
			v.images[versions[i]] = image{
				size:        r.Expect.Size,
				sha256sum:   r.Expect.Sha256sum,
				fsverity256: r.Expect.FsveritySHA256,
				fsverity512: r.Expect.FsveritySHA512,
			}
		}
		list = append(list, v)
	}
	return list
}

// readTreeVectors reads the dumpfiles of container images, and the digests of
// the images that were made of them with object digests of the same algorithm.
func readTreeVectors(t testing.TB, dir string) []vector {
	cases, err := filepath.Glob(filepath.Join(dir, "*", "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []vector
	for _, path := range cases {
		var file struct {
			Erofs, Boot struct{ V0, V1, V2 map[string]string } // by algorithm
		}
		readJSON(t, path, &file)
		for prefix, digests := range map[string][]map[string]string{
			"expected":      {file.Erofs.V0, file.Erofs.V1, file.Erofs.V2},
			"expected-boot": {file.Boot.V0, file.Boot.V1, file.Boot.V2},
		} {
			for _, alg := range []string{"sha256", "sha512"} {
				name := filepath.Join(filepath.Dir(path), prefix+"."+alg+".dump")
				if _, err := os.Stat(name); err != nil {
					continue
				}
				v := vector{name: name[len(vectorDir)+1:], dump: readFile(t, name), images: make(map[variant.Format]image)}
				for i, digests := range digests {
					if alg == "sha512" {
						v.images[versions[i]] = image{fsverity512: digests[alg]}
					} else {
						v.images[versions[i]] = image{fsverity256: digests[alg]}
					}
				}
				list = append(list, v)
			}
		}
	}
	return list
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	if err := json.Unmarshal(readFile(t, path), v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// readFile reads a file, decompressed if it is compressed.
func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(path, ".gz") {
		return data
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return data
}

// tree reads the vector's dumpfile. The text has no form for the empty target of
// a symbolic link, which two of them hold: a stand-in is put and taken out again.
func (v vector) tree(t testing.TB) *tree.Inode {
	t.Helper()
	const standIn = "the empty target"
	lines := strings.Split(string(v.dump), "\n")
	for i, line := range lines {
		if f := strings.Split(line, " "); len(f) > 10 && strings.HasPrefix(f[2], "12") && f[8] == "-" {
			f[8] = strings.ReplaceAll(standIn, " ", `\x20`)
			lines[i] = strings.Join(f, " ")
		}
	}
	root, err := dumpfile.Read(strings.NewReader(strings.Join(lines, "\n")), dumpfile.Options{Compat: v.compat})
	if err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	for _, n := range tree.Walk(root) {
		if n.Target == standIn {
			n.Target = ""
		}
	}
	return root
}

// writer returns what makes the images of a vector: those that composefs-rs made
// from layers have its order of times.
func (v vector) writer() func(io.Writer, *tree.Inode, variant.Format) error {
	if strings.HasPrefix(v.name, "layers/") {
		return erofs.WriteUnsignedTimes
	}
	return erofs.Write
}

// The images are those of the references, byte for byte.
func TestVectors(t *testing.T) {
	var checked int
	for _, v := range readVectors(t) {
		root := v.tree(t)
		for version, want := range v.images {
			data, err := bytesOf(v.writer(), root, version)
			if want.refused {
				if want.tooLarge && err == nil {
					t.Errorf("%s: V%d: was written", v.name, version)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: V%d: %v", v.name, version, err)
				continue
			}
			checked++
			checkImage(t, v.name, version, data, want)
		}
	}
	if checked < 600 {
		t.Errorf("only %d images checked", checked)
	}
}

// What only layout E1 can't hold is refused when it is written.
func TestRefusedInE1(t *testing.T) {
	for _, name := range []string{"refuse/xattrs-too-big.dump", "refuse/file-too-big.dump"} {
		path := filepath.Join(vectorDir, "erofs", name)
		if _, err := os.Stat(path); err != nil {
			t.Skipf("NOT TESTED: the vectors are not there: %v", err)
		}
		v := vector{name: name, dump: readFile(t, path)}
		checkHeld(t, name, v.tree(t), inE2, "/a")
	}
}

// Auto takes the version that mkcomposefs takes, and makes the images that its
// own test suite has.
func TestAuto(t *testing.T) {
	var checked, published int
	for _, v := range readVectors(t) {
		if v.auto == nil && v.published == "" {
			continue
		}
		root := v.tree(t)
		version := erofs.Auto(root)
		if v.auto != nil && version != *v.auto {
			t.Errorf("%s: version %d, want %d", v.name, version, *v.auto)
		}
		checked++
		if v.published != "" {
			checkImage(t, v.name, version, write(t, root, version), image{sha256sum: v.published})
			published++
		}
	}
	if checked < 70 || published < 10 {
		t.Errorf("only %d versions and %d published images checked", checked, published)
	}
}

func checkImage(t *testing.T, name string, format variant.Format, data []byte, want image) {
	t.Helper()
	sum := sha256.Sum256(data)
	for _, c := range []struct{ what, got, want string }{
		{"fs-verity sha256", verity.SHA256.Sum(data).String(), want.fsverity256},
		{"fs-verity sha512", verity.SHA512.Sum(data).String(), want.fsverity512},
		{"sha256", hex.EncodeToString(sum[:]), want.sha256sum},
	} {
		if c.want != "" && c.got != c.want {
			t.Errorf("%s: V%d: %s %s, want %s", name, format, c.what, c.got, c.want)
		}
	}
	if want.size != 0 && len(data) != want.size {
		t.Errorf("%s: V%d: %d bytes, want %d", name, format, len(data), want.size)
	}
}
