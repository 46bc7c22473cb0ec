package dumpfile

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"cfs/lib/corrupt"
)

const (
	rootLine = "/ 0 40755 2 0 0 0 0.0 - - -\n"
	hexName  = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
	objPath  = "6b/86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
	other    = "d4/735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"
)

// spellings are lines that are accepted below the root, and how they are
// written. An empty want means that the line is canonical.
var spellings = []struct {
	name, line, want string
	compat           bool
}{
	{"leading zeros and plus", "/a +01 0100644 1 +1 007 0 +1.+1 - x -", "/a 1 100644 1 1 7 0 1.1 - x -", false},
	{"mode bits above 16", "/a 0 10100644 1 0 0 0 0.0 - - -", "/a 0 100644 1 0 0 0 0.0 - - -", false},
	{"nanoseconds with leading zeros", "/a 0 100644 1 0 0 0 5.050000000 - - -", "/a 0 100644 1 0 0 0 5.50000000 - - -", false},
	{"before 1970", "/a 0 100644 1 0 0 0 -5.5 - - -", "", false},
	{"earliest", "/a 0 100644 1 0 0 0 -9223372036854775808.0 - - -", "", false},
	{"two's complement", "/a 0 100644 1 0 0 0 18446744073709551615.0 - - -", "/a 0 100644 1 0 0 0 -1.0 - - -", false},
	{"latest", "/a 0 100644 1 0 0 0 9223372036854775807.999999999 - - -", "", false},
	{"largest numbers", "/a 18446744073709551615 107777 1 4294967295 4294967295 0 0.0 - - -", "", false},
	{"device", "/a 0 60644 1 0 0 4294967295 0.0 - - -", "", false},
	{"whiteout", "/a 0 20000 1 0 0 0 0.0 - - -", "", false},
	{"link count", "/a 0 100644 77 0 0 0 0.0 - - -", "/a 0 100644 1 0 0 0 0.0 - - -", false},
	{"sizes that say nothing", "/a 9 10644 1 0 0 0 0.0 - - -", "/a 0 10644 1 0 0 0 0.0 - - -", false},
	{"size of a target", "/a 9 120777 1 0 0 0 0.0 b - -", "/a 1 120777 1 0 0 0 0.0 b - -", false},
	{"target -", `/a 1 120777 1 0 0 0 0.0 \x2d - -`, "", false},
	{"content -", `/a 1 100644 1 0 0 0 0.0 - \x2d -`, "", false},
	{"empty content", "/a 0 100644 1 0 0 0 0.0 -  -", "/a 0 100644 1 0 0 0 0.0 - - -", false},
	{"payload that says nothing", "/a 0 140644 1 0 0 0 0.0 b - -", "/a 0 140644 1 0 0 0 0.0 - - -", false},
	{"escapes", `/\x41\\\n\r\t\x20\xfF 3 100644 1 0 0 0 0.0 - =\x3d\x00 -`, `/A\\\n\r\t\x20\xff 3 100644 1 0 0 0 0.0 - ==\x00 -`, false},
	{"raw bytes", "/\xff\x01é 1 100644 1 0 0 0 0.0 - \t -", `/\xff\x01\xc3\xa9 1 100644 1 0 0 0 0.0 - \t -`, false},
	{"xattrs", `/a 0 100644 1 0 0 0 0.0 - - - b=- a= c\x3d=\x00=\x3D`, `/a 0 100644 1 0 0 0 0.0 - - - a= b=- c\x3d=\x00\x3d\x3d`, false},
	{"sparse", "/a 5 100644 1 0 0 0 0.0 - - -", "", false},
	{"digest", "/a 5 100644 1 0 0 0 0.0 " + objPath + " - " + hexName, "", false},
	{"upper-case digest", "/a 5 100644 1 0 0 0 0.0 " + objPath + " - " + strings.ToUpper(hexName), "/a 5 100644 1 0 0 0 0.0 " + objPath + " - " + hexName, false},
	{"digest of another payload", "/a 5 100644 1 0 0 0 0.0 x - " + hexName, "/a 5 100644 1 0 0 0 0.0 " + objPath + " - " + hexName, false},
	{"no digest", "/a 5 100644 1 0 0 0 0.0 " + objPath + " - -", "", false},
	{"no digest, longer payload", "/a 5 100644 1 0 0 0 0.0 ../" + objPath + " - -", "/a 5 100644 1 0 0 0 0.0 " + objPath + " - -", false},
	{"empty file with a payload", "/a 0 100644 1 0 0 0 0.0 " + objPath + " - " + hexName, "", false},
	{"missing fields", "/a 5 100644 1 0 0 0 0.0", "/a 5 100644 1 0 0 0 0.0 - - -", true},
	{"device number of a fifo", "/a 0 10644 1 0 0 7 0.0 - - -", "/a 0 10644 1 0 0 0 0.0 - - -", true},
	{"data of a fifo", "/a 0 10644 1 0 0 0 0.0 x y z", "/a 0 10644 1 0 0 0 0.0 - - -", true},
	{"data of a link", "/a 1 120777 1 0 0 0 0.0 x y z", "/a 1 120777 1 0 0 0 0.0 x - -", true},
	{"payload kept", "/a 5 100644 1 0 0 0 0.0 x.file - " + hexName, "", true},
	{"payload kept without a digest", "/a 5 100644 1 0 0 0 0.0 /x - -", "", true},
	{"payload of another object", "/a 5 100644 1 0 0 0 0.0 " + other + " - " + hexName, "", true},
	{"empty file with a payload, compat", "/a 0 100644 1 0 0 0 0.0 x - " + hexName, "/a 0 100644 1 0 0 0 0.0 - - -", true},
}

func TestSpellings(t *testing.T) {
	for _, s := range spellings {
		if s.want == "" {
			s.want = s.line
		}
		o := Options{Compat: s.compat}
		root, err := Read(strings.NewReader(rootLine+s.line+"\n"), o)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		got := written(t, root)
		if string(got) != rootLine+s.want+"\n" {
			t.Errorf("%s: got %q, want %q", s.name, got[len(rootLine):], s.want)
		}
		checkStable(t, s.name, root, got, o)
	}
}

// A payload beside a digest: only in compat mode is its text kept.
func TestPayloadBesideDigest(t *testing.T) {
	dump := rootLine + "/a 5 100644 1 0 0 0 0.0 x.file - " + hexName + "\n"
	for _, compat := range []bool{false, true} {
		root, err := Read(strings.NewReader(dump), Options{Compat: compat})
		if err != nil {
			t.Fatal(err)
		}
		n := root.Lookup("a")
		if n.Object.String() != hexName || compat != (n.Payload == "x.file") {
			t.Errorf("compat %v: got %+v", compat, n)
		}
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 5000)
	deep := strings.Repeat("/d", 2049)
	for _, v := range []struct {
		name, text string
		o          Options
		want       refusal
	}{
		{"only empty lines", "\n\n", Options{}, refusal{1, "PATH", "empty-input"}},
		{"empty line first", "\n" + rootLine, Options{}, refusal{1, "PATH", "bad-path"}},
		{"blanks at the end", rootLine + "  \n", Options{}, refusal{2, "NLINK", "missing-field"}},
		{"root is a hard link", "/ 0 @100644 - - - - - /a - -", Options{}, refusal{1, "MODE", "root-not-dir"}},
		{"root again, as a hard link", rootLine + "/ 0 @100644 - - - - - /a - -", Options{}, refusal{2, "PATH", "duplicate-root"}},
		{"below a missing directory", rootLine + "/a/b/c 0 100644 1 0 0 0 0.0 - - -", Options{}, refusal{2, "PATH", "no-parent"}},
		{"long path", rootLine + deep + " 0 100644 1 0 0 0 0.0 - - -", Options{}, refusal{2, "PATH", "path-too-long"}},
		{"junk before @", rootLine + "/a 0 x@100644 1 0 0 0 0.0 /b - -", Options{}, refusal{2, "MODE", "bad-mode"}},
		{"mode out of range", rootLine + "/a 0 40000100644 1 0 0 0 0.0 - - -", Options{}, refusal{2, "MODE", "bad-mode"}},
		{"mode without type", rootLine + "/a 0 170644 1 0 0 0 0.0 - - -", Options{}, refusal{2, "MODE", "bad-mode"}},
		{"signs", rootLine + "/a 0 100644 1 0 ++1 0 0.0 - - -", Options{}, refusal{2, "GID", "bad-number"}},
		{"hex", rootLine + "/a 0x1 100644 1 0 0 0 0.0 - - -", Options{}, refusal{2, "SIZE", "bad-number"}},
		{"link count", rootLine + "/a 0 100644 4294967296 0 0 0 0.0 - - -", Options{}, refusal{2, "NLINK", "number-range"}},
		{"too early", rootLine + "/a 0 100644 1 0 0 0 -9223372036854775809.0 - - -", Options{}, refusal{2, "MTIME", "bad-mtime"}},
		{"too late", rootLine + "/a 0 100644 1 0 0 0 18446744073709551616.0 - - -", Options{}, refusal{2, "MTIME", "bad-mtime"}},
		{"minus plus", rootLine + "/a 0 100644 1 0 0 0 -+5.0 - - -", Options{}, refusal{2, "MTIME", "bad-mtime"}},
		{"negative nanoseconds", rootLine + "/a 0 100644 1 0 0 0 5.-1 - - -", Options{}, refusal{2, "MTIME", "bad-mtime"}},
		{"signed hex escape", rootLine + `/\x+f 0 100644 1 0 0 0 0.0 - - -`, Options{}, refusal{2, "PATH", "bad-escape"}},
		{"escape in what says nothing", rootLine + `/a 0 10644 1 0 0 0 0.0 \q - -`, Options{}, refusal{2, "PAYLOAD", "bad-escape"}},
		{"empty payload", rootLine + "/a 1 100644 1 0 0 0 0.0  - -", Options{}, refusal{2, "PAYLOAD", "bad-object-path"}},
		{"empty payload, compat", rootLine + "/a 1 100644 1 0 0 0 0.0  - -", Options{Compat: true}, refusal{2, "PAYLOAD", "bad-object-path"}},
		{"empty digest", rootLine + "/a 1 100644 1 0 0 0 0.0 " + objPath + " - ", Options{}, refusal{2, "DIGEST", "bad-digest"}},
		{"long payload", rootLine + "/a 1 100644 1 0 0 0 0.0 " + long + " - -", Options{}, refusal{2, "PAYLOAD", "path-too-long"}},
		{"payload of another object", rootLine + "/a 1 100644 1 0 0 0 0.0 " + other + " - " + hexName, Options{MatchDigest: true}, refusal{2, "PAYLOAD", "bad-object-path"}},
		{"payload of no object", rootLine + "/a 1 100644 1 0 0 0 0.0 x - " + hexName, Options{MatchDigest: true}, refusal{2, "PAYLOAD", "bad-object-path"}},
		{"payload, content, no size", rootLine + "/a 1 100644 1 0 0 0 0.0 x y -", Options{Compat: true}, refusal{2, "CONTENT", "payload-and-content"}},
		{"target for E2", rootLine + "/a 1 120777 1 0 0 0 0.0 " + long[:1025] + " - -", Options{Layout: E2}, refusal{2, "PAYLOAD", "symlink-too-long"}},
		{"content for E2", rootLine + "/a 513 100644 1 0 0 0 0.0 - " + long[:513] + " -", Options{Layout: E2}, refusal{2, "CONTENT", "content-too-big"}},
		{"hard link to the root", rootLine + "/a 0 @100644 1 0 0 0 0.0 / - -", Options{}, refusal{2, "PAYLOAD", "hardlink-dir"}},
		{"hard link, relative", rootLine + "/a 0 @100644 1 0 0 0 0.0 b - -", Options{}, refusal{2, "PAYLOAD", "bad-path"}},
		{"hard link below a file", rootLine + "/a 0 100644 1 0 0 0 0.0 - - -\n/b 0 @0 - - - - - /a/c - -", Options{}, refusal{3, "PAYLOAD", "hardlink-missing"}},
		{"hard link, compat", rootLine + "/a 0 @100644 1 0 0 0 0.0", Options{Compat: true}, refusal{2, "PAYLOAD", "hardlink-no-target"}},
		{"NUL in an xattr's name", rootLine + `/a 0 100644 1 0 0 0 0.0 - - - a\x00=b`, Options{}, refusal{2, "xattr", "nul-byte"}},
		{"raw NUL in an xattr", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - a=\x00 b=", Options{}, refusal{2, "xattr", "nul-byte"}},
		{"long value", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - a=" + strings.Repeat("x", 65536), Options{}, refusal{2, "xattr", "xattr-value-too-long"}},
		{"much text of xattrs", rootLine + "/a 0 100644 1 0 0 0 0.0 - - - a=" + strings.Repeat("x", 65534), Options{}, refusal{2, "xattr", "xattrs-too-big"}},
		{"same xattr, other spelling", rootLine + `/a 0 100644 1 0 0 0 0.0 - - - a=1 b=2 \x61=1`, Options{}, refusal{2, "xattr", "xattr-duplicate"}},
	} {
		root, err := Read(strings.NewReader(v.text), v.o)
		checkRefusal(t, v.name, err, v.want)
		if root != nil {
			t.Errorf("%s: a tree beside an error", v.name)
		}
	}
}

// Only PATH, MODE and PAYLOAD of a hard link line are read; a hard link may be
// the target of the next; the full line comes at the first name in order.
func TestHardlinks(t *testing.T) {
	dump := rootLine + "/d 0 40755 2 0 0 0 0.0 - - -\n" +
		"/b 1 100644 1 0 0 0 0.0 - x -\n" +
		"/d/c zz @100 no numbers at all . /b \\q \\z junk\n" +
		"/a 0 @120000 - - - - - /d/c - -\n"
	want := rootLine[:len("/ 0 40755 ")] + "3" + rootLine[len("/ 0 40755 2"):] +
		"/a 1 100644 3 0 0 0 0.0 - x -\n" +
		"/b 0 @120000 - - - - 0.0 /a - -\n" +
		"/d 0 40755 2 0 0 0 0.0 - - -\n" +
		"/d/c 0 @120000 - - - - 0.0 /a - -\n"
	root, err := Read(strings.NewReader(dump), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, root); string(got) != want {
		t.Error(firstDifference(got, []byte(want)))
	}
}

// The order of lines is free, as long as directories come before what is in
// them: whatever way there was to the last directory, the next one is found.
func TestOrder(t *testing.T) {
	line := func(path, mode string) string { return path + " 0 " + mode + " 1 0 0 0 0.0 - - -\n" }
	dump := rootLine + line("/a", "40755") + line("/ab", "40755") + line("/a/b", "40755") + line("/a/b/c", "40755") +
		line("/ab/x", "100644") + line("/a/b/c/x", "100644") + line("/a/x", "100644") + line("/a/b/x", "100644") +
		line("/a/b/c/y", "100644") + line("/x", "100644") + line("/ab/c", "40755") + line("/ab/c/x", "100644")
	root, err := Read(strings.NewReader(dump), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for line := range strings.Lines(string(written(t, root))) {
		paths = append(paths, strings.Fields(line)[0])
	}
	want := "/ /a /a/b /a/b/c /a/b/c/x /a/b/c/y /a/b/x /a/x /ab /ab/c /ab/c/x /ab/x /x"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The largest that each field may be is accepted in every spelling of it, and a
// line of all of them together.
func TestLargest(t *testing.T) {
	escaped := func(n int) string { return strings.Repeat(`\x80`, n) }
	name := strings.Repeat("n", 251)
	dir := ""
	var b strings.Builder
	b.WriteString(rootLine)
	for range 4096/252 - 1 {
		dir += "/" + name
		fmt.Fprintf(&b, "%s 0 40755 2 0 0 0 0.0 - - -\n", dir)
	}
	dir += "/" + escaped(maxPath-len(dir)-len("//")-maxName)
	fmt.Fprintf(&b, "%s 0 40755 2 0 0 0 0.0 - - -\n", dir)
	last := dir + "/" + escaped(maxName)
	xattr := "k=" + escaped(65533)
	fmt.Fprintf(&b, "%s 4095 120777 1 0 0 0 0.0 %s - - %s\n", last, escaped(4095), xattr)
	fmt.Fprintf(&b, "/h 0 @120000 - - - - 0.0 %s - -\n", last)
	fmt.Fprintf(&b, "/i 5000 100644 1 0 0 0 0.0 - %s - %s\n", escaped(5000), xattr)
	root, err := Read(strings.NewReader(b.String()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkStable(t, "largest", root, written(t, root), Options{})
}

// A line that does not end is refused where it becomes too long, whatever the
// field, and no more is read.
func TestEndlessLine(t *testing.T) {
	fields := strings.Fields("/a 0 100644 1 0 0 0 0.0 x x x user.a=x")
	classes := strings.Fields("path-too-long number-range bad-mode number-range number-range number-range number-range bad-mtime path-too-long content-too-big bad-digest xattrs-too-big")
	for i := range fields {
		text := rootLine + strings.Join(fields[:i+1], " ")
		r := io.MultiReader(strings.NewReader(text), endless{})
		_, err := Read(r, Options{})
		checkRefusal(t, fieldNames[i], err, refusal{2, fieldNames[i], classes[i]})
	}
}

// endless reads as zeros without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// An error of the reader is handed on, and is not about corrupt data; how the
// reader cuts its data does not matter.
func TestReader(t *testing.T) {
	broken := errors.New("broken")
	_, err := Read(io.MultiReader(strings.NewReader(rootLine+"/a"), iotest.ErrReader(broken)), Options{})
	if !errors.Is(err, broken) || corrupt.Is(err) {
		t.Errorf("got %v", err)
	}
	dump := rootLine + "/a 0 100644 1 0 0 0 0.0 - - -"
	root, err := Read(iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(dump))), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, root); string(got) != dump+"\n" {
		t.Errorf("got %q", got)
	}
	if _, err := Read(strings.NewReader(dump+"\n\n\n"), Options{}); err != nil {
		t.Errorf("empty lines at the end: %v", err)
	}
}
