package boot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"cfs/lib/corrupt"
)

// part is a section of an executable that is being made. Where the header tells
// something else, lie changes it.
type part struct {
	name, content string
	lie           func(header []byte)
}

// executable makes a Portable Executable with an optional header of some size.
func executable(optional int, parts ...part) []byte {
	le := binary.LittleEndian
	head := make([]byte, dosSize)
	copy(head, "MZ")
	le.PutUint32(head[0x3c:], dosSize)
	coff := append([]byte("PE\x00\x00"), make([]byte, peSize-4)...)
	le.PutUint16(coff[4:], 0x8664) // IMAGE_FILE_MACHINE_AMD64
	le.PutUint16(coff[6:], uint16(len(parts)))
	le.PutUint16(coff[20:], uint16(optional))
	head = append(append(head, coff...), make([]byte, optional)...)
	at := len(head) + headerSize*len(parts)
	var body []byte
	for _, p := range parts {
		h := make([]byte, headerSize)
		copy(h, p.name)
		le.PutUint32(h[8:], uint32(len(p.content)))
		le.PutUint32(h[16:], uint32(len(p.content)))
		le.PutUint32(h[20:], uint32(at+len(body)))
		if p.lie != nil {
			p.lie(h)
		}
		head, body = append(head, h...), append(body, p.content...)
	}
	return append(head, body...)
}

const testRelease = "ID=test\nPRETTY_NAME=\"Test OS\"\nVERSION_ID=1.0\n"

func testUKI() []byte {
	return executable(240, part{name: ".osrel", content: testRelease}, part{name: ".linux", content: "kernel"},
		part{name: ".cmdline", content: "rw quiet"}, part{name: ".cmdline", content: "second"})
}

func TestUKI(t *testing.T) {
	long := func(h []byte) { binary.LittleEndian.PutUint32(h[8:], 4) }
	lie := func(at int, value uint32) func([]byte) {
		return func(h []byte) { binary.LittleEndian.PutUint32(h[at:], value) }
	}
	noMZ := testUKI()
	copy(noMZ, "xx")
	for name, c := range map[string]struct {
		data []byte
		want UKI
		says string
	}{
		"whole":                {testUKI(), UKI{Label: "Test OS 1.0", Cmdline: "rw quiet", SortKey: "test", Version: "1.0"}, ""},
		"without MZ":           {noMZ, UKI{Label: "Test OS 1.0", Cmdline: "rw quiet", SortKey: "test", Version: "1.0"}, ""},
		"no optional header":   {executable(0, part{name: ".cmdline", content: "x"}), UKI{Label: "", Cmdline: "x"}, ""},
		"no section":           {executable(10), UKI{}, ""},
		"cut at VirtualSize":   {executable(0, part{".cmdline", "rw quiet", long}), UKI{Label: "", Cmdline: "rw q"}, ""},
		"raw size does not":    {executable(0, part{".cmdline", "rw", lie(16, 1<<31)}), UKI{Label: "", Cmdline: "rw"}, ""},
		"name with more":       {executable(0, part{name: ".osrel2", content: testRelease}), UKI{}, ""},
		"lies about size":      {executable(0, part{".cmdline", "rw", lie(8, 1<<20)}), UKI{}, "ends before"},
		"lies more":            {executable(0, part{".cmdline", "rw", lie(8, 1<<32-1)}), UKI{}, "at most"},
		"lies about place":     {executable(0, part{".cmdline", "rw", lie(20, 1<<32-1)}), UKI{}, "ends before"},
		"broken .osrel":        {executable(0, part{name: ".osrel", content: "\xff"}, part{name: ".cmdline", content: "rw"}), UKI{Label: "", Cmdline: "rw"}, ".osrel is not UTF-8"},
		"nameless":             {executable(0, part{name: ".osrel", content: "A=b"}, part{name: ".cmdline", content: "rw"}), UKI{Label: "", Cmdline: "rw"}, "names no system"},
		"broken .cmdline":      {executable(0, part{name: ".osrel", content: "ID=a"}, part{name: ".cmdline", content: "\xff"}), UKI{Label: "a", SortKey: "a"}, ".cmdline is not UTF-8"},
		"no executable":        {[]byte("MZ-fake-uki-6.1.0-v1"), UKI{}, "not an EFI executable"},
		"no signature":         {append([]byte("MZ"), make([]byte, 1000)...), UKI{}, "no PE signature at byte 0"},
		"a kernel of ARM":      {append([]byte("\x1f\x20\x03\xd5kernel"), bytes.Repeat([]byte{0xcc}, 1000)...), UKI{}, "not an EFI executable: it does not begin with MZ"},
		"zeros":                {make([]byte, 1000), UKI{}, "not an EFI executable: it does not begin with MZ"},
		"empty":                {nil, UKI{}, "not an EFI executable"},
		"too many sections":    {append(executable(0)[:dosSize+6], bytes.Repeat([]byte{255}, 1000)...), UKI{}, "ends before"},
		"optional header long": {executable(0xffff, part{name: ".cmdline", content: "x"}), UKI{Label: "", Cmdline: "x"}, ""},
	} {
		got, err := ReadUKI(bytes.NewReader(c.data))
		if got != c.want || (c.says == "") != (err == nil) {
			t.Errorf("%s: got %+v, error %v, want %+v", name, got, err, c.want)
		}
		if c.says != "" && (!corrupt.Is(err) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
}

// TestCutUKI cuts an executable at each byte: all that it has is read, or it is said
// that it is broken.
func TestCutUKI(t *testing.T) {
	whole := testUKI()
	want, err := ReadUKI(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	needed := bytes.Index(whole, []byte("rw quiet")) + len("rw quiet")
	for n := range whole {
		got, err := ReadUKI(bytes.NewReader(whole[:n]))
		if n < needed && !corrupt.Is(err) || n >= needed && (err != nil || got != want) {
			t.Errorf("cut at byte %d: got %+v, error %v", n, got, err)
		}
	}
}

// endless is a file of 2^40 bytes, all the same, that counts what is read.
type endless struct {
	with byte
	read int
}

func (e *endless) ReadAt(p []byte, at int64) (int, error) {
	for i := range p {
		p[i] = e.with
	}
	e.read += len(p)
	return len(p), nil
}

// headed is an endless file that begins with a head.
type headed struct {
	endless
	head []byte
}

func (h *headed) ReadAt(p []byte, at int64) (int, error) {
	n, err := h.endless.ReadAt(p, at)
	if at < int64(len(h.head)) {
		copy(p, h.head[at:])
	}
	return n, err
}

// TestUKIBounds: of a file as large as its headers say, not more is read than is of use.
func TestUKIBounds(t *testing.T) {
	many := executable(0)
	binary.LittleEndian.PutUint16(many[dosSize+6:], 0xffff)
	for name, head := range map[string][]byte{
		"65535 sections":     many[:dosSize+peSize],
		"a section of 4 GiB": executable(0, part{".cmdline", "", func(h []byte) { copy(h[8:12], "\xff\xff\xff\xff") }}),
	} {
		h := headed{endless{with: 'x'}, head}
		_, err := ReadUKI(&h)
		if name[0] == 'a' && !corrupt.Is(err) || h.read > 16<<20 {
			t.Errorf("%s: %d bytes were read, error %v", name, h.read, err)
		}
	}
}

// TestUKIDisk: an error of the disk is none of the file.
func TestUKIDisk(t *testing.T) {
	if _, err := ReadUKI(brokenDisk{}); !errors.Is(err, errDisk) || corrupt.Is(err) {
		t.Errorf("error %v, want %v", err, errDisk)
	}
}

var errDisk = errors.New("broken disk")

type brokenDisk struct{}

func (brokenDisk) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

// FuzzUKI: nothing crashes, an error says that the file is broken, and what is read is
// in the file.
func FuzzUKI(f *testing.F) {
	f.Add(testUKI())
	f.Add([]byte("MZ-fake-uki-6.1.0-v1"))
	f.Add(executable(0, part{".cmdline", "x", func(h []byte) { copy(h[8:12], "\xff\xff\xff\xff") }}))
	f.Add(executable(0, part{".osrel", "ID=x", func(h []byte) { copy(h[20:24], "\xff\xff\xff\xff") }}))
	f.Add(append(executable(0)[:dosSize+6], bytes.Repeat([]byte{255}, 64)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := ReadUKI(bytes.NewReader(data))
		if err != nil && (!corrupt.Is(err) && !strings.Contains(err.Error(), "\n")) {
			t.Errorf("refused with %v", err)
		}
		if !bytes.Contains(data, []byte(u.Cmdline)) || len(u.Label) > len(data) {
			t.Errorf("read %+v", u)
		}
	})
}
