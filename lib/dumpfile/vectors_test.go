package dumpfile

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const vectors = "../../../shared/vectors"

// vector returns what a file of the vectors holds, unpacked.
func vector(t testing.TB, path ...string) []byte {
	t.Helper()
	name := filepath.Join(append([]string{vectors}, path...)...)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, ".gz") {
		return data
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return data
}

// erofsVectors are the two lists of erofs/vectors.json, by file name.
type erofsVectors struct {
	Dumps map[string]struct {
		SameDumpAs  string `json:"same_dump_as"`
		DerivedFrom string `json:"derived_from"`
	}
	Refuse map[string]struct{}
}

func needVectors(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(vectors); err != nil {
		t.Skip("SKIPPED, nothing compared with the references: no vectors at ", vectors)
	}
}

func readErofsVectors(t *testing.T) erofsVectors {
	t.Helper()
	needVectors(t)
	var v erofsVectors
	if err := json.Unmarshal(vector(t, "erofs/vectors.json"), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Dumps) == 0 || len(v.Refuse) == 0 {
		t.Fatal("erofs/vectors.json lists nothing")
	}
	return v
}

// What the reference has printed is canonical: writing gives the same bytes.
func TestReferenceDumps(t *testing.T) {
	needVectors(t)
	count := 0
	for _, pattern := range []string{"layers/*/expected*.dump", "boot/*/expected*.dump", "boot/*/*/expected*.dump", "images/*/expected*.dump"} {
		paths, err := filepath.Glob(filepath.Join(vectors, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			path, _ = filepath.Rel(vectors, path)
			dump := vector(t, path)
			if strings.Contains(path, "04-types") {
				dump = dropEmptyTargets(t, dump)
			}
			root, err := Read(bytes.NewReader(dump), Options{MatchDigest: true})
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if got := written(t, root); !bytes.Equal(got, dump) {
				t.Errorf("%s: %s", path, firstDifference(got, dump))
			}
			count++
		}
	}
	if count < 50 {
		t.Errorf("only %d dumps of the reference found", count)
	}
}

// dropEmptyTargets takes out the lines of symbolic links without a target,
// which are the only ones that the reference prints and cannot read. There has
// to be one.
func dropEmptyTargets(t *testing.T, dump []byte) []byte {
	t.Helper()
	if _, err := Read(bytes.NewReader(dump), Options{}); class(err) != symlinkEmpty {
		t.Errorf("a symbolic link without a target: got %v", err)
	}
	lines := slices.DeleteFunc(bytes.SplitAfter(dump, []byte("\n")), func(line []byte) bool {
		f := bytes.Fields(line)
		return len(f) > 8 && string(f[2]) == "120777" && string(f[8]) == "-"
	})
	return bytes.Join(lines, nil)
}

// Each dump that the writers of images accept is read, and reading what was
// written gives the same tree and the same bytes again.
func TestErofsDumps(t *testing.T) {
	for name, v := range readErofsVectors(t).Dumps {
		if v.DerivedFrom != "" || v.SameDumpAs != "" {
			continue // there is no such file
		}
		o := Options{Compat: strings.HasPrefix(name, "assets/")}
		dump := vector(t, "erofs", name)
		root, err := Read(bytes.NewReader(dump), o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := written(t, root)
		checkStable(t, name, root, got, o)
		if o.Compat || slices.Contains(respelled, name) {
			continue
		}
		if want := slices.Sorted(masked(dump)); !slices.Equal(slices.Sorted(masked(got)), want) {
			t.Errorf("%s: written with other entries", name)
		}
	}
}

// respelled are the vectors in which the order of lines, the payload or the
// seconds are not those of the canonical form.
var respelled = []string{"hardlink-noncanonical.dump", "payload-not-object.dump", "preepoch-wrapped.dump"}

// masked gives the lines of a dump without what a writer need not keep: link
// counts, the order of xattrs, the ignored fields of hard link lines.
func masked(dump []byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(string(dump)) {
			f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
			f[3] = ""
			if strings.HasPrefix(f[2], "@") {
				f = []string{f[0], "@", f[8]}
			} else {
				slices.Sort(f[11:])
			}
			if !yield(strings.Join(f, " ")) {
				return
			}
		}
	}
}

// refusal is what Read says about a dump that it refuses.
type refusal struct {
	line         int
	field, class string
}

// refused has the dumps of the vectors that are to be refused. Most are named
// after the class that they are of.
var refused = map[string]refusal{
	"refuse/bad-digest-hex.dump":                   {2, "DIGEST", "bad-digest"},
	"refuse/bad-digest-length.dump":                {2, "DIGEST", "bad-digest"},
	"refuse/bad-escape-end.dump":                   {2, "PATH", "bad-escape"},
	"refuse/bad-escape-hex.dump":                   {2, "PATH", "bad-escape"},
	"refuse/bad-escape.dump":                       {2, "PATH", "bad-escape"},
	"refuse/bad-mode-digit.dump":                   {2, "MODE", "bad-mode"},
	"refuse/bad-mode-notype.dump":                  {2, "MODE", "bad-mode"},
	"refuse/bad-mtime-nodot.dump":                  {2, "MTIME", "bad-mtime"},
	"refuse/bad-mtime-nonsec.dump":                 {2, "MTIME", "bad-mtime"},
	"refuse/bad-mtime-nsec-range.dump":             {2, "MTIME", "bad-mtime"},
	"refuse/bad-mtime-twodots.dump":                {2, "MTIME", "bad-mtime"},
	"refuse/bad-number-empty.dump":                 {2, "SIZE", "bad-number"},
	"refuse/bad-number-gid.dump":                   {2, "GID", "bad-number"},
	"refuse/bad-number-rdev.dump":                  {2, "RDEV", "bad-number"},
	"refuse/bad-number-size.dump":                  {2, "SIZE", "bad-number"},
	"refuse/bad-object-path.dump":                  {2, "PAYLOAD", "bad-object-path"},
	"refuse/bad-path-dot.dump":                     {2, "PATH", "bad-path"},
	"refuse/bad-path-dotdot.dump":                  {2, "PATH", "bad-path"},
	"refuse/bad-path-empty-component.dump":         {3, "PATH", "bad-path"},
	"refuse/bad-path-relative.dump":                {2, "PATH", "bad-path"},
	"refuse/bad-path-trailing.dump":                {2, "PATH", "bad-path"},
	"refuse/blank-line-inside.dump":                {2, "PATH", "bad-path"},
	"refuse/content-not-allowed-dir.dump":          {2, "CONTENT", "content-not-allowed"},
	"refuse/content-not-allowed-symlink.dump":      {2, "CONTENT", "content-not-allowed"},
	"refuse/content-size-mismatch.dump":            {2, "CONTENT", "content-size-mismatch"},
	"refuse/content-too-big.dump":                  {2, "CONTENT", "content-too-big"},
	"refuse/cr-at-end.dump":                        {2, "DIGEST", "bad-escape"},
	"refuse/digest-not-allowed-dir.dump":           {2, "DIGEST", "digest-not-allowed"},
	"refuse/digest-not-allowed-inline.dump":        {2, "DIGEST", "digest-not-allowed"},
	"refuse/digest-without-payload.dump":           {2, "DIGEST", "digest-not-allowed"},
	"refuse/duplicate-path-dir.dump":               {3, "PATH", "duplicate-path"},
	"refuse/duplicate-path.dump":                   {3, "PATH", "duplicate-path"},
	"refuse/duplicate-root.dump":                   {2, "PATH", "duplicate-root"},
	"refuse/empty-input.dump":                      {1, "PATH", "empty-input"},
	"refuse/file-too-big.dump":                     {2, "SIZE", "file-too-big"},
	"refuse/hardlink-cycle.dump":                   {2, "PAYLOAD", "hardlink-missing"},
	"refuse/hardlink-dir-mode.dump":                {3, "MODE", "hardlink-dir"},
	"refuse/hardlink-dir-target.dump":              {3, "PAYLOAD", "hardlink-dir"},
	"refuse/hardlink-later-target.dump":            {2, "PAYLOAD", "hardlink-missing"},
	"refuse/hardlink-missing.dump":                 {2, "PAYLOAD", "hardlink-missing"},
	"refuse/hardlink-no-target.dump":               {2, "PAYLOAD", "hardlink-no-target"},
	"refuse/hardlink-self.dump":                    {2, "PAYLOAD", "hardlink-self"},
	"refuse/hardlink-whiteout.dump":                {3, "PAYLOAD", "hardlink-whiteout"},
	"refuse/missing-field.dump":                    {2, "DIGEST", "missing-field"},
	"refuse/name-too-long.dump":                    {2, "PATH", "name-too-long"},
	"refuse/no-parent-escaped-slash.dump":          {2, "PATH", "no-parent"},
	"refuse/no-parent.dump":                        {2, "PATH", "no-parent"},
	"refuse/no-root.dump":                          {1, "PATH", "no-root"},
	"refuse/nul-byte-raw.dump":                     {2, "PATH", "nul-byte"},
	"refuse/nul-byte-target.dump":                  {2, "PAYLOAD", "nul-byte"},
	"refuse/nul-byte.dump":                         {2, "PATH", "nul-byte"},
	"refuse/number-negative-uid.dump":              {2, "UID", "bad-number"},
	"refuse/number-range-rdev.dump":                {2, "RDEV", "number-range"},
	"refuse/number-range-size.dump":                {2, "SIZE", "number-range"},
	"refuse/number-range-uid.dump":                 {2, "UID", "number-range"},
	"refuse/parent-not-dir.dump":                   {3, "PATH", "parent-not-dir"},
	"refuse/payload-and-content.dump":              {2, "CONTENT", "payload-and-content"},
	"refuse/rdev-on-nondevice.dump":                {2, "RDEV", "rdev-on-nondevice"},
	"refuse/root-not-dir.dump":                     {1, "MODE", "root-not-dir"},
	"refuse/symlink-empty-text.dump":               {2, "PAYLOAD", "symlink-empty"},
	"refuse/symlink-empty.dump":                    {2, "PAYLOAD", "symlink-empty"},
	"refuse/symlink-too-long.dump":                 {2, "PAYLOAD", "symlink-too-long"},
	"refuse/whiteout-nlink.dump":                   {2, "NLINK", "hardlink-whiteout"},
	"refuse/xattr-double-space.dump":               {2, "xattr", "xattr-no-equals"},
	"refuse/xattr-duplicate.dump":                  {2, "xattr", "xattr-duplicate"},
	"refuse/xattr-empty-key.dump":                  {2, "xattr", "xattr-empty-key"},
	"refuse/xattr-key-too-long.dump":               {2, "xattr", "xattr-key-too-long"},
	"refuse/xattr-no-equals.dump":                  {2, "xattr", "xattr-no-equals"},
	"refuse/xattrs-too-big.dump":                   {2, "xattr", "xattrs-too-big"},
	"assets/should-fail-big-inline.dump":           {2, "CONTENT", "content-too-big"},
	"assets/should-fail-dir-hardlink.dump":         {2, "MODE", "hardlink-dir"},
	"assets/should-fail-dot-name.dump":             {2, "PATH", "bad-path"},
	"assets/should-fail-dotdot-name.dump":          {2, "PATH", "bad-path"},
	"assets/should-fail-empty-link-name.dump":      {2, "PAYLOAD", "symlink-empty"},
	"assets/should-fail-empty-name.dump":           {2, "PATH", "bad-path"},
	"assets/should-fail-empty-xattr-key.dump":      {2, "xattr", "xattr-empty-key"},
	"assets/should-fail-long-link.dump":            {2, "PAYLOAD", "symlink-too-long"},
	"assets/should-fail-long-xattr-key.dump":       {2, "xattr", "xattr-key-too-long"},
	"assets/should-fail-long-xattr-value.dump":     {2, "MODE", "bad-mode"},
	"assets/should-fail-no-ftype.dump":             {2, "MODE", "bad-mode"},
	"assets/should-fail-self-hardlink.dump":        {1, "xattr", "xattr-no-equals"},
	"assets/should-fail-too-big.dump":              {2, "SIZE", "file-too-big"},
	"assets/should-fail-honggfuzz-long-xattr.dump": {1, "xattr", "xattrs-too-big"},
}

// onlyE1 are the dumps that only layout E1 cannot hold.
var onlyE1 = []string{
	"refuse/file-too-big.dump", "refuse/xattrs-too-big.dump",
	"assets/should-fail-too-big.dump",
}

func TestErofsRefusals(t *testing.T) {
	for name := range readErofsVectors(t).Refuse {
		want, ok := refused[name]
		if !ok {
			t.Errorf("%s: not in the table of this test", name)
			continue
		}
		dump := vector(t, "erofs", name)
		asset := strings.HasPrefix(name, "assets/")
		_, err := Read(bytes.NewReader(dump), Options{Compat: asset, Layout: E1})
		checkRefusal(t, name, err, want)
		for _, o := range []Options{{}, {Layout: E2}} {
			root, err := Read(bytes.NewReader(dump), o)
			if slices.Contains(onlyE1, name) != (err == nil) || root != nil != (err == nil) {
				t.Errorf("%s with %+v: got %v", name, o, err)
			}
		}
	}
}
