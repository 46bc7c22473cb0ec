package wild

import "cfs/testdata/rawtar"

// hiding returns a member whose size is that of another one, which stands behind it.
func hiding(m, hidden rawtar.Member) rawtar.Member {
	m.Content = string(hidden.Bytes())
	return m
}

func special(flag byte, name string) rawtar.Member {
	return rawtar.Member{Type: flag, Name: name, Mode: 0o644}
}

var (
	hidden = file("usr/hidden", "h")
	last   = file("usr/z", "z")
)

// bodies are about sizes of what has no body, and about the directories of V7.
var bodies = []Case{
	{Name: "body-hardlink", Layers: one(usr, file("usr/a", "x"), hiding(hardlink("usr/l", "usr/a"), hidden), last), Want: "/usr /usr/a=x*2 /usr/hidden=h /usr/l=x*2 /usr/z=z", Strict: 1},
	{Name: "body-hardlink-size-of-target", Layers: one(usr, file("usr/a", many("x", 600)), hardlink("usr/l", "usr/a").Sized(600), last), Want: "/usr /usr/a=" + many("x", 600) + "*2 /usr/l=" + many("x", 600) + "*2 /usr/z=z", Strict: 1},
	{Name: "body-symlink", Layers: one(usr, hiding(symlink("usr/l", "a"), hidden), last), Want: "/usr /usr/hidden=h /usr/l>a /usr/z=z", Strict: 1},
	{Name: "body-directory", Layers: one(usr, hiding(dir("usr/d/"), hidden), last), Want: "/usr /usr/d /usr/hidden=h /usr/z=z", Strict: 1},
	{Name: "body-directory-4096", Layers: one(dir("usr/").Sized(4096), dir("usr/d/").Sized(4096), file("usr/d/a", "x")), Want: "/usr /usr/d /usr/d/a=x", Strict: 1},
	{Name: "body-character-device", Layers: one(usr, hiding(special('3', "usr/c").With(majorAt, "0000001\x000000003\x00"), hidden), last), Want: "/usr /usr/c!c /usr/hidden=h /usr/z=z", Strict: 1},
	{Name: "body-block-device", Layers: one(usr, hiding(special('4', "usr/b").With(majorAt, "0000007\x000000000\x00"), hidden), last), Want: "/usr /usr/b!b /usr/hidden=h /usr/z=z", Strict: 1},
	{Name: "body-fifo", Layers: one(usr, hiding(special('6', "usr/p"), hidden), last), Want: "/usr /usr/hidden=h /usr/p!p /usr/z=z", Strict: 1},
	{Name: "body-by-pax", Layers: one(usr, pax("size=1024"), dir("usr/d/"), hidden, last), Want: "/usr /usr/d /usr/hidden=h /usr/z=z", Strict: 1},
	{Name: "body-hides-object", Layers: one(usr, hiding(symlink("usr/l", "a"), file("usr/hidden", many("h", 65))), last), Want: "/usr /usr/hidden=" + many("h", 65) + " /usr/l>a /usr/z=z", Strict: 1},
	{Name: "body-hides-large-object", Layers: one(usr, hiding(symlink("usr/l", "a"), file("usr/hidden", many("h", 3000))), last), Want: "/usr /usr/hidden=" + many("h", 3000) + " /usr/l>a /usr/z=z", Strict: 1},
	{Name: "body-hides-whiteout", Layers: []Layer{layer(usr, file("usr/a", "x"), file("usr/b", "y")), layer(hiding(symlink("usr/l", "a"), file("usr/.wh.a", "")), last)}, Want: "/usr /usr/b=y /usr/l>a /usr/z=z", Strict: 1},
	{Name: "body-at-the-end", Layers: one(usr, file("usr/a", "x"), dir("usr/d/").Sized(4096)), Want: "/usr /usr/a=x /usr/d", Strict: 1},
	{Name: "body-before-pax", Layers: one(usr, dir("usr/d/").Sized(1024), pax("path=usr/p"), file("a", "x")), Want: "/usr /usr/d /usr/p=x", Strict: 1},
	{Name: "body-several", Layers: one(usr, dir("usr/d/").Sized(512), dir("usr/e/").Sized(512), symlink("usr/l", "d").Sized(1), last), Want: "/usr /usr/d /usr/e /usr/l>d /usr/z=z", Strict: 1},
	{Name: "body-of-zero", Layers: one(usr, pax("size=0"), dir("usr/d/"), last), Want: "/usr /usr/d /usr/z=z"},

	{Name: "v7-archive", Layers: one(usr.As(rawtar.V7), file("usr/a", "x").As(rawtar.V7), symlink("usr/s", "a").As(rawtar.V7), hardlink("usr/l", "usr/a").As(rawtar.V7)), Want: "/usr /usr/a=x*2 /usr/l=x*2 /usr/s>a"},
	{Name: "v7-directory", Layers: one(usr, rawtar.Member{Name: "usr/d/", Mode: 0o755, Magic: rawtar.V7}, last), Want: "/usr /usr/d /usr/z=z", Strict: 1},
	{Name: "v7-directory-with-files", Layers: one(rawtar.Member{Name: "usr/", Mode: 0o755, Magic: rawtar.V7}, rawtar.Member{Name: "usr/d/", Mode: 0o700, Magic: rawtar.V7}, file("usr/d/a", "x").As(rawtar.V7)), Want: "/usr /usr/d,0700 /usr/d/a=x", Strict: 1},
	{Name: "v7-directory-with-size", Layers: one(usr, hiding(rawtar.Member{Name: "usr/d/", Mode: 0o755, Magic: rawtar.V7}, hidden), last), Want: "/usr /usr/d /usr/hidden=h /usr/z=z", Strict: 1},
	{Name: "v7-directory-in-ustar", Layers: one(usr, rawtar.Member{Name: "usr/d/", Mode: 0o755}, last), Want: "/usr /usr/d /usr/z=z", Strict: 1},
	{Name: "v7-directory-long-name", Layers: one(usr, rawtar.LongName("usr/"+many("d", 120)+"/\x00"), rawtar.Member{Name: "usr/d", Mode: 0o755, Magic: rawtar.GNU}), Want: "/usr /usr/" + many("d", 120), Strict: 1},
	{Name: "v7-directory-over-file", Layers: []Layer{layer(usr, file("usr/a", "x")), layer(rawtar.Member{Name: "usr/a/", Mode: 0o755, Magic: rawtar.V7})}, Want: "/usr /usr/a", Strict: 1},
	{Name: "v7-slash-by-pax-gone", Layers: one(usr, pax("path=usr/p"), rawtar.Member{Name: "usr/d/", Mode: 0o644, Content: "x"}), Want: "/usr /usr/p=x"},
	{Name: "v7-pax", Layers: one(usr, pax("path=usr/p").As(rawtar.V7), file("a", "x").As(rawtar.V7)), Want: "/usr /usr/p=x", Strict: 1},
	{Name: "v7-junk-behind-link", Layers: one(usr, file("usr/a", "x").As(rawtar.V7).With(majorAt, "junkjunk")), Want: "/usr /usr/a=x"},
}
