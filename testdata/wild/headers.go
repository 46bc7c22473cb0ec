package wild

import (
	"strings"

	"cfs/testdata/rawtar"
)

var (
	file     = rawtar.File
	dir      = rawtar.Dir
	symlink  = rawtar.Symlink
	hardlink = rawtar.Hardlink
	pax      = rawtar.PAX
	usr      = dir("usr/")
)

// The offsets of fields.
const (
	modeAt, uidAt, sizeAt, sumAt  = 100, 108, 124, 148
	majorAt, prefixAt, starTimeAt = 329, 345, 476
	starMagicAt                   = 508
)

// prefixed returns a member in another format, with a prefix.
func prefixed(m rawtar.Member, magic, prefix string) rawtar.Member {
	return m.As(magic).With(prefixAt, prefix)
}

// one returns a layer in a list.
func one(members ...rawtar.Member) []Layer { return []Layer{layer(members...)} }

// The versions of headers by Maven, Ant and JRuby, where POSIX has 00.
const (
	nuls   = "ustar\x00\x00\x00"
	spaces = "ustar\x00  "
)

// starPrefix has all the bytes for which star has room.
var starPrefix = "usr/" + strings.Repeat("p", 127)

// headers are about the format of a header, which its magic tells, and about prefixes.
var headers = []Case{
	{Name: "gnu-prefix", Layers: one(usr, dir("usr/deep/"), prefixed(file("a", "x"), rawtar.GNU, "usr/deep")), Want: "/usr /usr/deep /usr/deep/a=x", Strict: 1},
	{Name: "gnu-prefix-large-uid", Layers: one(usr, dir("usr/deep/"), prefixed(file("a", "x"), rawtar.GNU, "usr/deep").With(uidAt, "\x80\x00\x00\x00\x00\x40\x00\x00")), Want: "/usr /usr/deep /usr/deep/a=x", Strict: 1},
	{Name: "gnu-prefix-directory", Layers: one(usr, prefixed(dir("deep/"), rawtar.GNU, "usr"), file("usr/deep/a", "x")), Want: "/usr /usr/deep /usr/deep/a=x", Strict: 1},
	{Name: "gnu-prefix-symlink", Layers: one(usr, prefixed(symlink("s", "a"), rawtar.GNU, "usr")), Want: "/usr /usr/s>a", Strict: 1},
	{Name: "gnu-prefix-hardlink", Layers: one(usr, file("usr/a", "x"), prefixed(hardlink("l", "usr/a"), rawtar.GNU, "usr")), Want: "/usr /usr/a=x*2 /usr/l=x*2", Strict: 1},
	{Name: "gnu-prefix-whiteout", Layers: []Layer{layer(usr, file("usr/a", "x"), file("usr/b", "y")), layer(prefixed(file(".wh.a", ""), rawtar.GNU, "usr"))}, Want: "/usr /usr/b=y", Strict: 1},
	{Name: "gnu-prefix-of-digits", Layers: one(usr, dir("2015-08/"), prefixed(file("a", "x"), rawtar.GNU, "2015-08")), Want: "/2015-08 /2015-08/a=x /usr", Strict: 1},
	{Name: "gnu-prefix-large-file", Layers: one(usr, prefixed(file("a", many("x", 700)), rawtar.GNU, "usr")), Want: "/usr /usr/a=" + many("x", 700), Strict: 1},
	{Name: "gnu-prefix-no-ascii", Layers: one(usr, prefixed(file("a", "x"), rawtar.GNU, "usr/\xe9")), Want: "/a=x /usr"},
	{Name: "gnu-prefix-and-long-name", Layers: one(usr, rawtar.LongName("usr/long\x00"), prefixed(file("a", "x"), rawtar.GNU, "usr/deep")), Want: "/usr /usr/long=x"},
	{Name: "gnu-prefix-and-pax-path", Layers: one(usr, pax("path=usr/p"), prefixed(file("a", "x"), rawtar.GNU, "usr/deep")), Want: "/usr /usr/p=x"},
	{Name: "gnu-times", Layers: one(usr, prefixed(file("usr/a", "x"), rawtar.GNU, "14712345670\x0014712345670\x00")), Want: "/usr /usr/a=x"},
	{Name: "gnu-times-with-spaces", Layers: one(usr, prefixed(file("usr/a", "x"), rawtar.GNU, "1471234567  1471234567  ")), Want: "/usr /usr/a=x"},
	{Name: "gnu-times-in-binary", Layers: one(usr, prefixed(file("usr/a", "x"), rawtar.GNU, "\x80\x00\x00\x00\x00\x00\x00\x00\x55\x00\x00\x01")), Want: "/usr /usr/a=x"},

	{Name: "version-nuls", Layers: one(usr, dir("usr/deep/"), prefixed(file("a", "x"), nuls, "usr/deep")), Want: "/usr /usr/deep /usr/deep/a=x", Strict: 1},
	{Name: "version-spaces", Layers: one(usr, dir("usr/deep/"), prefixed(file("a", "x"), spaces, "usr/deep")), Want: "/usr /usr/deep /usr/deep/a=x", Strict: 1},
	{Name: "version-digits", Layers: one(usr, prefixed(file("a", "x"), "ustar\x0011", "usr")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "version-without-prefix", Layers: one(usr, file("usr/a", "x").As(nuls)), Want: "/usr /usr/a=x"},
	{Name: "version-hardlink", Layers: one(usr, file("usr/a", "x"), prefixed(hardlink("l", "usr/a"), nuls, "usr")), Want: "/usr /usr/a=x*2 /usr/l=x*2", Strict: 1},
	{Name: "version-whiteout", Layers: []Layer{layer(usr, file("usr/a", "x")), layer(prefixed(file(".wh.a", ""), spaces, "usr"))}, Want: "/usr", Strict: 1},
	{Name: "version-device", Layers: one(usr, rawtar.Member{Type: '3', Name: "usr/null", Mode: 0o644, Magic: spaces}.With(majorAt, "0000001\x000000003\x00")), Want: "/usr /usr/null!c", Strict: 1},
	{Name: "version-pax", Layers: one(usr, pax("path=usr/p").As(spaces), file("a", "x")), Want: "/usr /usr/p=x", Strict: 1},
	{Name: "version-pax-size", Layers: one(usr, pax("size=200").As(nuls), file("usr/a", many("x", 200)).With(sizeAt, "00000000144\x00")), Want: "/usr /usr/a=" + many("x", 200), Strict: 1},
	{Name: "version-long-name", Layers: one(usr, rawtar.LongName("usr/long\x00").As(spaces), file("a", "x")), Want: "/usr /usr/long=x", Strict: 1},
	{Name: "version-mixed-magic", Layers: one(usr, prefixed(file("usr/a", "x"), "ustar 00", "deep")), Want: "/usr /usr/a=x"},

	{Name: "star-prefix", Layers: one(usr, pax("path="+starPrefix+"/"), dir("p/"), file("a", "x").With(prefixAt, starPrefix).With(starTimeAt, "14712345670 14712345670 ").With(starMagicAt, "tar\x00")),
		Want: "/usr /" + starPrefix + " /" + starPrefix + "/a=x", Strict: 1},
	{Name: "star-short-prefix", Layers: one(usr, file("a", "x").With(prefixAt, "usr").With(starTimeAt, "14712345670 14712345670 ").With(starMagicAt, "tar\x00")), Want: "/usr /usr/a=x"},
	{Name: "star-is-none", Layers: one(usr, pax("path="+starPrefix+"ppp/"), dir("p/"), file("a", "x").With(prefixAt, starPrefix+"ppp")), Want: "/usr /" + starPrefix + "ppp /" + starPrefix + "ppp/a=x"},
}

// many returns a text of so many letters.
func many(letter string, size int) string { return strings.Repeat(letter, size) }
