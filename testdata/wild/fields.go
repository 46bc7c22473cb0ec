package wild

import (
	"slices"

	"cfs/testdata/rawtar"
)

// records are about PAX records.
var records = []Case{
	{Name: "pax-empty-path", Layers: one(usr, pax("path="), file("usr/a", "x")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "pax-empty-path-after-one", Layers: one(usr, pax("path=usr/p", "path="), file("usr/a", "x")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "pax-empty-path-before-one", Layers: one(usr, pax("path=", "path=usr/p"), file("usr/a", "x")), Want: "/usr /usr/p=x"},
	{Name: "pax-empty-path-over-prefix", Layers: one(usr, pax("path="), prefixed(file("a", "x"), rawtar.GNU, "usr")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "pax-empty-linkpath", Layers: one(usr, pax("linkpath="), symlink("usr/s", "a")), Want: "/usr /usr/s>a", Strict: 1},
	{Name: "pax-empty-linkpath-hardlink", Layers: one(usr, file("usr/a", "x"), pax("linkpath="), hardlink("usr/l", "usr/a")), Want: "/usr /usr/a=x*2 /usr/l=x*2", Strict: 1},
	{Name: "pax-empty-linkpath-of-file", Layers: one(usr, pax("linkpath="), file("usr/a", "x")), Want: "/usr /usr/a=x"},
	{Name: "pax-empty-size", Layers: one(usr, pax("size="), file("usr/a", "x"), last), Want: "/usr /usr/a=x /usr/z=z", Strict: 1},
	{Name: "pax-empty-size-after-one", Layers: one(usr, pax("size=700", "size="), file("usr/a", "x"), last), Want: "/usr /usr/a=x /usr/z=z", Strict: 1},
	{Name: "pax-empty-owner", Layers: one(usr, pax("uid=", "gid="), file("usr/a", "x")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "pax-empty-mtime", Layers: one(usr, pax("mtime="), file("usr/a", "x")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "pax-empty-names", Layers: one(usr, pax("uname=", "gname=", "comment="), file("usr/a", "x")), Want: "/usr /usr/a=x"},
	{Name: "pax-size", Layers: one(usr, pax("size=200"), file("usr/a", many("x", 200)).With(sizeAt, "00000000144\x00"), last), Want: "/usr /usr/a=" + many("x", 200) + " /usr/z=z"},
	{Name: "pax-global", Layers: one(rawtar.Member{Type: 'g', Name: "g", Content: rawtar.Record("path=usr/p")}, usr, file("usr/a", "x")), Want: "/usr /usr/a=x"},
	{Name: "pax-sparse-name", Layers: one(usr, pax("GNU.sparse.name=usr/n"), file("usr/a", "x")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "pax-sparse-empty", Layers: one(usr, pax("GNU.sparse.map=", "GNU.sparse.major="), file("usr/a", "x")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "pax-before-1970", Layers: one(usr, pax("mtime=-1.5"), file("usr/a", "x")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "pax-malformed", Layers: one(usr, rawtar.Member{Type: 'x', Name: "x", Content: "99 path=p\n"}, file("usr/a", "x")), Status: 4, Says: "malformed PAX record", Strict: 4},
	{Name: "pax-twice", Layers: one(usr, pax("path=usr/p"), pax("path=usr/q"), file("usr/a", "x")), Status: 4, Says: "duplicate PAX", Strict: 4},
	{Name: "pax-for-nothing", Layers: one(usr, pax("path=usr/p")), Status: 4, Says: "no member after its extension headers", Strict: 4},
}

// fields are about numbers, checksums, and the long names of GNU tar.
var fields = []Case{
	{Name: "number-nul-first", Layers: one(usr, file("usr/a", "x").With(sizeAt, "\x000000000001 "), last), Want: "/usr /usr/a=x /usr/z=z", Strict: 1},
	{Name: "number-nul-first-large", Layers: one(usr, file("usr/a", many("x", 600)).With(sizeAt, "\x000000001130 "), last), Want: "/usr /usr/a=" + many("x", 600) + " /usr/z=z", Strict: 1},
	{Name: "number-nul-first-mode", Layers: one(usr, file("usr/a", "x").With(modeAt, "\x00000600 ")), Want: "/usr /usr/a=x,0600", Strict: 1},
	{Name: "number-spaces-first", Layers: one(usr, file("usr/a", "x").With(sizeAt, "          1 ").With(modeAt, "   644 \x00")), Want: "/usr /usr/a=x"},
	{Name: "number-base-256-size", Layers: one(usr, file("usr/a", many("x", 300)).With(sizeAt, "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x2c"), last), Want: "/usr /usr/a=" + many("x", 300) + " /usr/z=z"},
	{Name: "number-base-256-device", Layers: one(usr, special('3', "usr/c").With(majorAt, "\x80\x00\x00\x00\x00\x00\x00\x01\x80\x00\x00\x00\x00\x00\x00\x03")), Want: "/usr /usr/c!c", Strict: 1},
	{Name: "number-device-too-large", Layers: one(usr, special('3', "usr/c").With(majorAt, "7777777\x00")), Status: 4, Says: "usr/c", Strict: 4},
	{Name: "number-device-of-file", Layers: one(usr, file("usr/a", "x").With(majorAt, "junkjunk")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "number-is-none", Layers: one(usr, file("usr/a", "x").With(sizeAt, "12x")), Status: 4, Says: "size", Strict: 4},

	{Name: "sum-signed", Layers: one(usr, rawtar.Member{Type: '0', Name: "usr/\xe9t\xe9", Mode: 0o644, Content: "x", Signed: true}), Want: "/usr /usr/\xe9t\xe9=x", Strict: 1},
	{Name: "sum-signed-of-ascii", Layers: one(usr, rawtar.Member{Type: '0', Name: "usr/a", Mode: 0o644, Content: "x", Signed: true}), Want: "/usr /usr/a=x"},
	{Name: "sum-signed-pax", Layers: one(usr, rawtar.Member{Type: 'x', Name: "\xe9", Content: rawtar.Record("path=usr/p"), Signed: true}, file("usr/a", "x")), Want: "/usr /usr/p=x", Strict: 1},
	{Name: "sum-wrong", Layers: one(usr, file("usr/a", "x").With(sumAt, "0000001\x00")), Status: 4, Says: "checksum mismatch", Strict: 4},

	{Name: "long-name", Layers: one(usr, rawtar.LongName("usr/"+many("n", 150)+"\x00"), file("usr/n", "x").As(rawtar.GNU)), Want: "/usr /usr/" + many("n", 150) + "=x"},
	{Name: "long-name-without-nul", Layers: one(usr, rawtar.LongName("usr/"+many("n", 150)), file("usr/n", "x").As(rawtar.GNU)), Want: "/usr /usr/" + many("n", 150) + "=x"},
	{Name: "long-name-padded", Layers: one(usr, rawtar.LongName("usr/"+many("n", 150)+many("\x00", 358)), file("usr/n", "x").As(rawtar.GNU)), Want: "/usr /usr/" + many("n", 150) + "=x", Strict: 1},
	{Name: "long-name-and-more", Layers: one(usr, rawtar.LongName("usr/long\x00more"), file("usr/n", "x").As(rawtar.GNU)), Want: "/usr /usr/long=x", Strict: 1},
	{Name: "long-name-empty", Layers: one(usr, rawtar.LongName("\x00"), file("usr/n", "x").As(rawtar.GNU)), Want: "/usr /usr/n=x", Strict: 1},
	{Name: "long-name-padded-whiteout", Layers: []Layer{layer(usr, file("usr/a", "x")), layer(rawtar.LongName("usr/.wh.a\x00\x00\x00"), file("usr/n", "").As(rawtar.GNU))}, Want: "/usr", Strict: 1},
	{Name: "long-link-padded", Layers: one(usr, rawtar.LongLink(many("t", 150)+many("\x00", 10)), symlink("usr/s", "t").As(rawtar.GNU)), Want: "/usr /usr/s>" + many("t", 150), Strict: 1},
	{Name: "long-link-padded-hardlink", Layers: one(usr, file("usr/a", "x"), rawtar.LongLink("usr/a\x00\x00"), hardlink("usr/l", "usr").As(rawtar.GNU)), Want: "/usr /usr/a=x*2 /usr/l=x*2", Strict: 1},
	{Name: "long-link-empty", Layers: one(usr, rawtar.LongLink("\x00"), symlink("usr/s", "t").As(rawtar.GNU)), Want: "/usr /usr/s>t", Strict: 1},
}

// cut returns a layer of members, and what stands behind them.
func cut(tail []byte, members ...rawtar.Member) []Layer {
	return []Layer{{Tar: slices.Concat(rawtar.Concat(members...), tail)}}
}

func zeros(n int) []byte { return make([]byte, n) }

// ends are about the end of an archive.
var ends = []Case{
	{Name: "end-none", Layers: cut(nil, usr, file("usr/a", "x")), Want: "/usr /usr/a=x"},
	{Name: "end-none-empty-last", Layers: cut(nil, usr, file("usr/a", "")), Want: "/usr /usr/a="},
	{Name: "end-one-block", Layers: cut(zeros(512), usr, file("usr/a", "x")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "end-many-blocks", Layers: cut(zeros(20*512), usr, file("usr/a", "x")), Want: "/usr /usr/a=x"},
	{Name: "end-one-block-alone", Layers: []Layer{layer(usr, file("usr/a", "x")), {Tar: zeros(512)}}, Want: "/usr /usr/a=x", Strict: 1},
	{Name: "end-garbage-behind", Layers: cut(append(zeros(1024), "garbage"...), usr, file("usr/a", "x")), Want: "/usr /usr/a=x"},
	{Name: "end-member-behind", Layers: cut(append(zeros(1024), last.Bytes()...), usr, file("usr/a", "x")), Want: "/usr /usr/a=x"},
	{Name: "end-half-a-block", Layers: cut(zeros(100), usr, file("usr/a", "x")), Status: 4, Says: "truncated tar", Strict: 4},
	{Name: "end-in-a-header", Layers: cut(last.Bytes()[:200], usr, file("usr/a", "x")), Status: 4, Says: "truncated tar", Strict: 4},
	{Name: "end-in-a-body", Layers: cut(last.Bytes()[:512], usr, file("usr/a", "x")), Status: 4, Says: "truncated tar", Strict: 4},
}
