package tarball_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
	"cfs/testdata/rawtar"
)

// long is a prefix of 140 bytes, more than star has room for.
var long = strings.Repeat("0123456/", 17) + "abcd"

// dialect is a tar, what it holds, and how that is read otherwise than by the reference.
type dialect struct {
	name string
	tar  []byte
	want string // the members, see show
	read []tolerance.Kind
	err  string // in place of an end
	not  bool   // as Go reads it
}

var (
	file   = rawtar.File
	dir    = rawtar.Dir
	pax    = rawtar.PAX
	end    = string(make([]byte, 512))
	inside = string(file("hidden", "x").Bytes())
	kinds  = func(list ...tolerance.Kind) []tolerance.Kind { return list }
)

var dialects = []dialect{
	{name: "POSIX", tar: rawtar.Tar(dir("usr/"), file("usr/a", "x"), rawtar.Hardlink("b", "usr/a")), want: "5 usr/ 0; 0 usr/a 1; 1 b>usr/a 0"},
	{name: "no end", tar: rawtar.Concat(file("a", "x")), want: "0 a 1"},

	// Prefixes.
	{name: "prefix", tar: rawtar.Tar(file("a", "x").With(345, "usr/deep")), want: "0 usr/deep/a 1"},
	{name: "GNU prefix", tar: rawtar.Tar(file("a", "x").As(rawtar.GNU).With(345, "usr/deep")), want: "0 usr/deep/a 1", read: kinds(tolerance.GNUPrefix)},
	{name: "GNU prefix of digits and more", tar: rawtar.Tar(file("a", "x").As(rawtar.GNU).With(345, "012345670123abc")), want: "0 012345670123abc/a 1", read: kinds(tolerance.GNUPrefix)},
	{name: "GNU prefix that begins as a time", tar: rawtar.Tar(file("a", "x").As(rawtar.GNU).With(345, "2015-08/x")), want: "0 2015-08/x/a 1", read: kinds(tolerance.GNUPrefix)},
	{name: "GNU times", tar: rawtar.Tar(file("a", "x").As(rawtar.GNU).With(345, "14712345670\x0014712345670\x00")), want: "0 a 1"},
	{name: "GNU times with spaces", tar: rawtar.Tar(file("a", "x").As(rawtar.GNU).With(345, "1471234567  1471234567  ")), want: "0 a 1"},
	{name: "GNU times, and the rest of a long prefix", tar: rawtar.Tar(file("a", "x").As(rawtar.GNU).With(345, "147123456701471234567012abc/def")), want: "0 a 1"},
	{name: "GNU binary time", tar: rawtar.Tar(file("a", "x").As(rawtar.GNU).With(345, "\x80\x00\x00\x00\x00\x00\x00\x00\x55\x00\x00\x01")), want: "0 a 1"},
	{name: "GNU change time alone", tar: rawtar.Tar(file("a", "x").As(rawtar.GNU).With(357, "not a time")), want: "0 a 1"},
	{name: "GNU prefix under a long name", tar: rawtar.Tar(rawtar.LongName("long\x00"), file("a", "x").As(rawtar.GNU).With(345, "usr/deep")), want: "0 long 1"},
	{name: "GNU prefix under a PAX path", tar: rawtar.Tar(pax("path=p"), file("a", "x").As(rawtar.GNU).With(345, "usr/deep")), want: "0 p 1"},
	{name: "star", tar: rawtar.Tar(file("a", "x").With(345, long).With(476, "14712345670 14712345670 ").With(508, "tar\x00")), want: "0 " + long[:131] + "/a 1", read: kinds(tolerance.StarPrefix)},
	{name: "star, short prefix", tar: rawtar.Tar(file("a", "x").With(345, "usr").With(476, "14712345670 14712345670 ").With(508, "tar\x00")), want: "0 usr/a 1"},
	{name: "no star", tar: rawtar.Tar(file("a", "x").With(345, long)), want: "0 " + long + "/a 1"},

	// Versions.
	{name: "version of NULs", tar: rawtar.Tar(file("a", "x").As("ustar\x00\x00\x00").With(345, "usr/deep")), want: "0 usr/deep/a 1", read: kinds(tolerance.UstarVersion)},
	{name: "version of spaces", tar: rawtar.Tar(file("a", "x").As("ustar\x00  ").With(345, "usr/deep")), want: "0 usr/deep/a 1", read: kinds(tolerance.UstarVersion)},
	{name: "version without a prefix", tar: rawtar.Tar(file("a", "x").As("ustar\x00\x00\x00")), want: "0 a 1"},
	{name: "version of a device", tar: rawtar.Tar(rawtar.Member{Type: '3', Name: "d", Magic: "ustar\x00  "}.With(329, "0000001\x000000003\x00")), want: "3 d 0 1:3", read: kinds(tolerance.UstarVersion)},
	{name: "version of PAX", tar: rawtar.Tar(pax("path=p").As("ustar\x00  "), file("a", "x")), want: "0 p 1", read: kinds(tolerance.UstarVersion)},
	{name: "version of global PAX", tar: rawtar.Tar(rawtar.Member{Type: 'g', Name: "g", Magic: "ustar\x00  ", Content: rawtar.Record("path=p")}, file("a", "x")), want: "0 a 1"},
	{name: "GNU magic with ustar's version", tar: rawtar.Tar(file("a", "x").As("ustar 00").With(345, "usr/deep")), want: "0 a 1"},
	{name: "extensions of V7", tar: rawtar.Tar(pax("path=p", "size=2").As(rawtar.V7), file("a", "xy").With(124, "00000000000\x00")), want: "0 p 2", read: kinds(tolerance.BareExtension)},
	{name: "long name of V7", tar: rawtar.Tar(rawtar.LongName("long\x00").As(rawtar.V7), file("a", "x").As(rawtar.V7)), want: "0 long 1", read: kinds(tolerance.BareExtension)},

	// Sizes without bodies.
	{name: "size of a hard link", tar: rawtar.Tar(file("b", "x"), rawtar.Hardlink("l", "b").Sized(1024), file("hidden", "x")), want: "0 b 1; 1 l>b 0; 0 hidden 1", read: kinds(tolerance.BodySize)},
	{name: "size of a symbolic link", tar: rawtar.Tar(rawtar.Symlink("l", "b").Sized(1), file("a", "x")), want: "2 l>b 0; 0 a 1", read: kinds(tolerance.BodySize)},
	{name: "size of a directory", tar: rawtar.Tar(dir("d/").Sized(4096), file("a", "x")), want: "5 d/ 0; 0 a 1", read: kinds(tolerance.BodySize)},
	{name: "size of a device", tar: rawtar.Tar(rawtar.Member{Type: '4', Name: "d", Size: 9}, file("a", "x")), want: "4 d 0 0:0; 0 a 1", read: kinds(tolerance.BodySize)},
	{name: "size of a fifo", tar: rawtar.Tar(rawtar.Member{Type: '6', Name: "d", Size: 9}, file("a", "x")), want: "6 d 0; 0 a 1", read: kinds(tolerance.BodySize)},
	{name: "size by PAX", tar: rawtar.Tar(pax("size=600"), dir("d/"), file("a", "x")), want: "5 d/ 0; 0 a 1", read: kinds(tolerance.BodySize)},
	{name: "size at the end", tar: rawtar.Tar(dir("d/").Sized(4096)), want: "5 d/ 0", read: kinds(tolerance.BodySize)},
	{name: "size at the end of the input", tar: rawtar.Concat(dir("d/").Sized(4096)), want: "5 d/ 0", read: kinds(tolerance.BodySize)},
	{name: "size over an end", tar: slices.Concat(rawtar.Concat(dir("d/").Sized(1024)), []byte(end+end), rawtar.Tar(file("a", "x"))), want: "5 d/ 0", read: kinds(tolerance.BodySize)},
	{name: "size, then an extension", tar: rawtar.Tar(dir("d/").Sized(4096), pax("path=p"), file("a", "x")), want: "5 d/ 0; 0 p 1", read: kinds(tolerance.BodySize)},
	{name: "several", tar: rawtar.Tar(dir("d/").Sized(4096), dir("e/").Sized(4096), rawtar.Symlink("l", "t").Sized(1), file("a", "x")), want: "5 d/ 0; 5 e/ 0; 2 l>t 0; 0 a 1", read: kinds(tolerance.BodySize)},
	{name: "a size cut off", tar: append(rawtar.Concat(dir("d/").Sized(512)), make([]byte, 100)...), want: "", err: "header at byte 0: truncated tar: unexpected EOF"},
	{name: "a body after all", tar: rawtar.Tar(rawtar.Member{Type: '5', Name: "d/", Content: strings.Repeat("text ", 200)}, file("a", "x")), want: "5 d/ 0; 0 a 1", not: true},
	{name: "a body cut off", tar: rawtar.Concat(rawtar.Member{Type: '5', Name: "d/", Content: "text"}.Sized(600)), err: "header at byte 0: truncated tar: unexpected EOF", not: true},
	{name: "the size of other types", tar: rawtar.Tar(rawtar.Member{Type: 'V', Name: "v", Content: inside}, file("a", "x")), want: "V v 1024; 0 a 1"},

	// V7.
	{name: "V7", tar: rawtar.Tar(rawtar.Member{Name: "a", Magic: rawtar.V7, Content: "x"}, rawtar.Symlink("s", "a").As(rawtar.V7)), want: "0 a 1; 2 s>a 0"},
	{name: "V7 directory", tar: rawtar.Tar(rawtar.Member{Name: "d/", Magic: rawtar.V7}, file("a", "x")), want: "5 d/ 0; 0 a 1", read: kinds(tolerance.SlashedName)},
	{name: "V7 directory with a size", tar: rawtar.Tar(rawtar.Member{Name: "d/", Magic: rawtar.V7, Size: 100}, file("a", "x")), want: "5 d/ 0; 0 a 1", read: kinds(tolerance.BodySize, tolerance.SlashedName)},
	{name: "type NUL in a ustar header", tar: rawtar.Tar(rawtar.Member{Name: "d/"}, file("a", "x")), want: "5 d/ 0; 0 a 1", read: kinds(tolerance.SlashedName)},
	{name: "a slash of a long name", tar: rawtar.Tar(rawtar.LongName("long/\x00"), rawtar.Member{Name: "long"}), want: "5 long/ 0", read: kinds(tolerance.SlashedName)},
	{name: "a slash of a prefix", tar: rawtar.Tar(rawtar.Member{}.With(345, "usr")), want: "5 usr/ 0", read: kinds(tolerance.SlashedName)},
	{name: "a slash that PAX takes away", tar: rawtar.Tar(pax("path=p"), rawtar.Member{Name: "d/", Content: "x"}), want: "0 p 1"},
	{name: "a regular file with a slash", tar: rawtar.Tar(file("a/", "x")), want: "0 a/ 1"},

	// PAX.
	{name: "PAX", tar: rawtar.Tar(pax("path=p", "linkpath=q", "size=3"), file("a", "xyz").With(124, "00000000001\x00")), want: "0 p 3"},
	{name: "empty path", tar: rawtar.Tar(pax("path="), file("a", "x")), want: "0 a 1", read: kinds(tolerance.EmptyRecord)},
	{name: "empty path after one", tar: rawtar.Tar(pax("path=p", "path="), file("a", "x")), want: "0 a 1", read: kinds(tolerance.EmptyRecord)},
	{name: "empty path before one", tar: rawtar.Tar(pax("path=", "path=p"), file("a", "x")), want: "0 p 1"},
	{name: "empty path over a prefix", tar: rawtar.Tar(pax("path="), file("a", "x").As(rawtar.GNU).With(345, "usr/deep")), want: "0 usr/deep/a 1", read: kinds(tolerance.EmptyRecord, tolerance.GNUPrefix)},
	{name: "empty path over a long name", tar: rawtar.Tar(rawtar.LongName("long\x00"), pax("path="), file("a", "x")), want: "0 long 1", read: kinds(tolerance.EmptyRecord)},
	{name: "empty linkpath", tar: rawtar.Tar(pax("linkpath="), rawtar.Symlink("s", "a")), want: "2 s>a 0", read: kinds(tolerance.EmptyLink)},
	{name: "empty linkpath of a hard link", tar: rawtar.Tar(file("a", "x"), pax("linkpath="), rawtar.Hardlink("s", "a")), want: "0 a 1; 1 s>a 0", read: kinds(tolerance.EmptyLink)},
	{name: "empty linkpath over nothing", tar: rawtar.Tar(pax("linkpath="), rawtar.Symlink("s", "")), want: "2 s> 0"},
	{name: "empty linkpath of a file", tar: rawtar.Tar(pax("linkpath="), file("a", "x").With(157, "what")), want: "0 a 1"},
	{name: "empty size", tar: rawtar.Tar(pax("size="), file("a", "x")), want: "0 a 1", read: kinds(tolerance.EmptyRecord)},
	{name: "empty size after one", tar: rawtar.Tar(pax("size=700", "size="), file("a", "x")), want: "0 a 1", read: kinds(tolerance.EmptyRecord)},
	{name: "empty owner and time", tar: rawtar.Tar(pax("uid=", "gid=", "mtime="), file("a", "x")), want: "0 a 1", read: kinds(tolerance.EmptyRecord)},
	{name: "empty names", tar: rawtar.Tar(pax("uname=", "gname=", "atime=", "comment="), file("a", "x")), want: "0 a 1"},
	{name: "empty xattr", tar: rawtar.Tar(pax("SCHILY.xattr.user.a="), file("a", "x")), want: `0 a 1 [{user.a }]`},
	{name: "empty sparse map", tar: rawtar.Tar(pax("GNU.sparse.map=", "GNU.sparse.major="), file("a", "x")), want: "0 a 1", read: kinds(tolerance.EmptyRecord)},
	{name: "unknown sparse versions", tar: rawtar.Tar(pax("GNU.sparse.major=1"), file("a", "x"), pax("GNU.sparse.minor=0"), file("b", "x"), pax("GNU.sparse.major=2", "GNU.sparse.minor=0"), file("c", "x")), want: "0 a 1; 0 b 1; 0 c 1"},
	{name: "sparse name", tar: rawtar.Tar(pax("GNU.sparse.name=n"), file("a", "x")), want: "0 a 1", read: kinds(tolerance.SparseName)},
	{name: "sparse name that is the name", tar: rawtar.Tar(pax("GNU.sparse.name=a"), file("a", "x")), want: "0 a 1"},

	// Numbers.
	{name: "spaces", tar: rawtar.Tar(file("a", "x").With(124, "          1 ")), want: "0 a 1"},
	{name: "a NUL first", tar: rawtar.Tar(file("a", "x").With(124, "\x000000000001 ")), want: "0 a 1", read: kinds(tolerance.LateNumber)},
	{name: "NULs and spaces first", tar: rawtar.Tar(file("a", "x").With(124, "  \x00 \x00001 \x00 ")), want: "0 a 1", read: kinds(tolerance.LateNumber)},
	{name: "a NUL before 0", tar: rawtar.Tar(file("a", "").With(124, "\x000000000000 ")), want: "0 a 0"},
	{name: "a NUL before the mode", tar: rawtar.Tar(file("a", "").With(100, "\x00000644 ")), want: "0 a 0", read: kinds(tolerance.LateNumber)},
	{name: "a NUL before what is no number", tar: rawtar.Tar(file("a", "").With(100, "\x00rw-r--r")), want: "0 a 0", not: true},
	{name: "digits behind a number", tar: rawtar.Tar(file("a", "x").With(124, "1\x002")), want: "0 a 1"},
	{name: "no number", tar: rawtar.Tar(file("a", "x").With(124, "12x")), err: `header at byte 0: size: "12x`},
	{name: "a device that is none", tar: rawtar.Tar(file("a", "x").With(329, "junkjunk")), want: "0 a 1", read: kinds(tolerance.DeviceNumbers), not: true},
	{name: "a device without numbers", tar: rawtar.Tar(rawtar.Member{Type: '3', Name: "d"}.With(329, "junkjunk")), err: "devmajor"},
	{name: "binary devices", tar: rawtar.Tar(file("a", "x").With(329, "\x80\x00\x00\x00\x00\x00\x00\x01")), want: "0 a 1", read: kinds(tolerance.BinaryDevice)},
	{name: "junk in a V7 header", tar: rawtar.Tar(file("a", "x").As(rawtar.V7).With(329, "junkjunk")), want: "0 a 1"},

	// Checksums.
	{name: "signed sum", tar: rawtar.Tar(rawtar.Member{Type: '0', Name: "\xe9t\xe9", Content: "x", Signed: true}), want: "0 \xe9t\xe9 1", read: kinds(tolerance.SignedSum)},
	{name: "signed sum of ASCII", tar: rawtar.Tar(rawtar.Member{Type: '0', Name: "a", Content: "x", Signed: true}), want: "0 a 1"},
	{name: "signed sum of an extension", tar: rawtar.Tar(rawtar.Member{Type: 'x', Name: "\xe9", Content: rawtar.Record("path=p"), Signed: true}, file("a", "x")), want: "0 p 1", read: kinds(tolerance.SignedSum)},
	{name: "no sum", tar: rawtar.Tar(file("a", "x").With(148, "0000001\x00")), err: "header at byte 0: checksum mismatch"},

	// GNU long names.
	{name: "long name", tar: rawtar.Tar(rawtar.LongName("long\x00"), file("a", "x")), want: "0 long 1"},
	{name: "long name without a NUL", tar: rawtar.Tar(rawtar.LongName("long"), file("a", "x")), want: "0 long 1"},
	{name: "long name with NULs", tar: rawtar.Tar(rawtar.LongName("long"+strings.Repeat("\x00", 508)), file("a", "x")), want: "0 long 1", read: kinds(tolerance.PaddedName)},
	{name: "long name with NULs, under PAX", tar: rawtar.Tar(rawtar.LongName("long\x00\x00"), pax("path=p"), file("a", "x")), want: "0 p 1", not: true},
	{name: "long name and more", tar: rawtar.Tar(rawtar.LongName("long\x00more"), file("a", "x")), want: "0 long 1", read: kinds(tolerance.PaddedName)},
	{name: "empty long name", tar: rawtar.Tar(rawtar.LongName("\x00"), file("a", "x")), want: "0 a 1", read: kinds(tolerance.PaddedName)},
	{name: "long link with NULs", tar: rawtar.Tar(rawtar.LongLink("long\x00\x00"), rawtar.Symlink("s", "t")), want: "2 s>long 0", read: kinds(tolerance.PaddedName)},
	{name: "long name of no bytes", tar: rawtar.Tar(rawtar.LongName(""), file("a", "x")), want: "0 a 1", read: kinds(tolerance.PaddedName)},
	{name: "two long names of no bytes", tar: rawtar.Tar(rawtar.LongName(""), rawtar.LongName("")), err: "duplicate GNU long name", not: true},
	{name: "PAX of no bytes", tar: rawtar.Tar(rawtar.PAX()), err: "no member after", not: true},
	{name: "empty long link", tar: rawtar.Tar(rawtar.LongLink("\x00"), rawtar.Symlink("s", "t")), want: "2 s>t 0", read: kinds(tolerance.PaddedName)},
	{name: "long link of a file", tar: rawtar.Tar(rawtar.LongLink("long\x00\x00"), file("a", "x")), want: "0 a 1"},
	{name: "long names and PAX", tar: rawtar.Tar(rawtar.LongName("long\x00"), pax("path=p"), file("a", "x")), want: "0 p 1", not: true},

	// The end.
	{name: "one zero block", tar: slices.Concat(rawtar.Concat(file("a", "x")), make([]byte, 512)), want: "0 a 1", read: kinds(tolerance.LoneZeroBlock)},
	{name: "one zero block alone", tar: make([]byte, 512), read: kinds(tolerance.LoneZeroBlock)},
	{name: "one zero block behind an extension", tar: slices.Concat(rawtar.Concat(pax("path=p")), make([]byte, 512)), err: "no member after its extension headers", not: true},
	{name: "half a zero block", tar: slices.Concat(rawtar.Concat(file("a", "x")), make([]byte, 100)), want: "0 a 1", err: "truncated tar"},
	{name: "one and a half", tar: slices.Concat(rawtar.Concat(file("a", "x")), make([]byte, 612)), want: "0 a 1", err: "truncated tar"},
	{name: "a stray zero block", tar: slices.Concat(make([]byte, 512), rawtar.Tar(file("a", "x"))), want: "0 a 1", not: true},
	{name: "garbage behind the end", tar: append(rawtar.Tar(file("a", "x")), "garbage"...), want: "0 a 1"},
	{name: "no member", tar: rawtar.Tar(pax("path=p")), err: "no member after its extension headers", not: true},
}

// show lists the members of a tar, briefly or with device numbers and xattrs, and returns how
// they are read.
func show(t *testing.T, data []byte, briefly bool) (string, []tolerance.Kind, error) {
	var list []string
	var read tolerance.Set
	in := bytes.NewReader(data)
	r := newReader(in)
	for {
		m, err := r.Next()
		if err != nil {
			if err == io.EOF {
				read, err = read|r.End, nil
			}
			return strings.Join(list, "; "), slices.Collect(read.Kinds()), err
		}
		s := line(m.Type, m.Name, m.Link, int64(m.Size))
		if !briefly && (m.Type == '3' || m.Type == '4') {
			s += fmt.Sprintf(" %d:%d", m.Major, m.Minor)
		}
		if !briefly && m.Xattrs != nil {
			s += fmt.Sprint(" ", m.Xattrs)
		}
		list = append(list, s)
		read |= m.Read
		skip := int64(m.Size) + m.Padding()
		r.Offset += skip
		if at, err := in.Seek(skip, io.SeekCurrent); err != nil || at != r.Offset {
			t.Errorf("at byte %d, not %d: %v", at, r.Offset, err)
		}
	}
}

// line describes a member; the target only of a link.
func line(typ byte, name, link string, size int64) string {
	if typ == 0 {
		typ = '0'
	}
	if typ == '1' || typ == '2' {
		name += ">" + link
	}
	return fmt.Sprintf("%c %s %d", typ, name, size)
}

// TestDialects: all that programs have written as tars is read.
func TestDialects(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			got, read, err := show(t, d.tar, false)
			if got != d.want || d.err == "" && !slices.Equal(read, d.read) {
				t.Errorf("got  %s, read by %v\nwant %s, read by %v", got, read, d.want, d.read)
			}
			if (err == nil) != (d.err == "") || err != nil && (!strings.Contains(err.Error(), d.err) || !corrupt.Is(err)) {
				t.Errorf("error %v, want %q", err, d.err)
			}
			brief, _, _ := show(t, d.tar, true)
			if goes, err := showAsGo(d.tar); !d.not && err == nil && goes != brief {
				t.Errorf("Go reads %s", goes)
			}
		})
	}
}

// showAsGo lists the members that archive/tar finds, briefly.
func showAsGo(data []byte) (string, error) {
	var list []string
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return strings.Join(list, "; "), nil
		}
		if err != nil {
			return strings.Join(list, "; "), err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		size := h.Size
		if '1' <= h.Typeflag && h.Typeflag <= '6' {
			size = 0
		}
		list = append(list, line(h.Typeflag, h.Name, h.Linkname, size))
	}
}
