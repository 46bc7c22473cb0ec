package wild

import "cfs/testdata/rawtar"

// lower is the layer that others lie on.
var lower = layer(usr, file("usr/a", "a"), file("usr/b", "b"), symlink("usr/s", "d"),
	rawtar.Member{Type: '5', Name: "usr/d/", Mode: 0o700}, file("usr/d/x", "x"), dir("usr/d/e/"), file("usr/d/e/y", "y"))

// What is left of lower if one of its files goes, or its directory.
const (
	whole    = "/usr /usr/a=a /usr/b=b /usr/d,0700 /usr/d/e /usr/d/e/y=y /usr/d/x=x /usr/s>d "
	withoutD = "/usr /usr/a=a /usr/b=b /usr/s>d "
	withoutA = "/usr /usr/b=b /usr/d,0700 /usr/d/e /usr/d/e/y=y /usr/d/x=x /usr/s>d "
	emptyD   = withoutD + "/usr/d,0700 "
)

// upon returns lower, and a layer of members on it.
func upon(members ...rawtar.Member) []Layer { return []Layer{lower, layer(members...)} }

// marker returns a whiteout as it should be.
func marker(name string) rawtar.Member { return file(name, "") }

// opq is the name of an opaque whiteout.
const opq = ".wh..wh..opq"

// orders are about where whiteouts stand among the members of their layer.
var orders = []Case{
	{Name: "order-marker-first", Layers: upon(marker("usr/.wh.a"), file("usr/a", "n")), Want: withoutA + "/usr/a=n"},
	{Name: "order-marker-last", Layers: upon(file("usr/a", "n"), marker("usr/.wh.a")), Want: withoutA + "/usr/a=n", Strict: 1},
	{Name: "order-marker-alone", Layers: upon(marker("usr/.wh.a")), Want: withoutA},
	{Name: "order-marker-of-nothing", Layers: upon(marker("usr/.wh.none")), Want: whole},
	{Name: "order-marker-twice", Layers: upon(marker("usr/.wh.a"), file("usr/a", "n"), marker("usr/.wh.a")), Want: withoutA + "/usr/a=n", Strict: 1},
	{Name: "order-directory-then-marker", Layers: upon(dir("usr/d/"), file("usr/d/n", "n"), marker("usr/.wh.d")), Want: withoutD + "/usr/d /usr/d/n=n", Strict: 1},
	{Name: "order-child-then-marker", Layers: upon(file("usr/d/n", "n"), marker("usr/.wh.d")), Want: withoutD + "/usr/d /usr/d/n=n", Strict: 1},
	{Name: "order-directory-around-marker", Layers: upon(dir("usr/d/"), marker("usr/.wh.d"), file("usr/d/n", "n")), Want: withoutD + "/usr/d /usr/d/n=n", Strict: 1},
	{Name: "order-file-over-directory", Layers: upon(file("usr/d", "n"), marker("usr/.wh.d")), Want: withoutD + "/usr/d=n", Strict: 1},
	{Name: "order-symlink-then-marker", Layers: upon(symlink("usr/a", "b"), marker("usr/.wh.a")), Want: withoutA + "/usr/a>b", Strict: 1},
	{Name: "order-hardlink-then-marker", Layers: upon(hardlink("usr/c", "usr/b"), marker("usr/.wh.c")), Want: "/usr /usr/a=a /usr/b=b*2 /usr/c=b*2 /usr/d,0700 /usr/d/e /usr/d/e/y=y /usr/d/x=x /usr/s>d", Strict: 1},
	{Name: "order-hardlink-then-target", Layers: upon(hardlink("usr/c", "usr/a"), marker("usr/.wh.a")), Want: withoutA + "/usr/c=a"},
	{Name: "order-opaque-first", Layers: upon(marker("usr/d/"+opq), file("usr/d/n", "n")), Want: emptyD + "/usr/d/n=n"},
	{Name: "order-opaque-last", Layers: upon(file("usr/d/n", "n"), marker("usr/d/"+opq)), Want: emptyD + "/usr/d/n=n", Strict: 1},
	{Name: "order-opaque-between", Layers: upon(file("usr/d/m", "m"), marker("usr/d/"+opq), file("usr/d/n", "n")), Want: emptyD + "/usr/d/m=m /usr/d/n=n", Strict: 1},
	{Name: "order-opaque-deep", Layers: upon(dir("usr/d/e/"), file("usr/d/e/n", "n"), marker("usr/d/"+opq)), Want: emptyD + "/usr/d/e /usr/d/e/n=n", Strict: 1},
	{Name: "order-opaque-same-name", Layers: upon(file("usr/d/x", "n"), marker("usr/d/"+opq)), Want: emptyD + "/usr/d/x=n", Strict: 1},
	{Name: "order-opaque-twice", Layers: upon(marker("usr/d/"+opq), file("usr/d/n", "n"), marker("usr/d/"+opq)), Want: emptyD + "/usr/d/n=n", Strict: 1},
	{Name: "order-opaque-root", Layers: upon(usr, file("usr/n", "n"), marker(opq)), Want: "/usr /usr/n=n", Strict: 1},
	{Name: "order-opaque-root-first", Layers: upon(marker(opq), usr, file("usr/n", "n")), Want: "/usr /usr/n=n"},
	{Name: "order-one-layer", Layers: one(usr, file("usr/a", "n"), marker("usr/.wh.a")), Want: "/usr /usr/a=n", Strict: 1},
	{Name: "order-back-in-third", Layers: append(upon(marker("usr/.wh.a")), layer(file("usr/a", "n"))), Want: withoutA + "/usr/a=n"},
	{Name: "order-last-of-three", Layers: append(upon(file("usr/a", "m")), layer(file("usr/n", "n"), marker("usr/.wh.a"))), Want: withoutA + "/usr/n=n"},
}

// markers are about whiteouts that are no empty files: the name alone decides.
var markers = []Case{
	{Name: "marker-directory", Layers: upon(dir("usr/.wh.d/")), Want: withoutD},
	{Name: "marker-directory-with-child", Layers: upon(dir("usr/.wh.d/"), file("usr/.wh.d/y", "")), Status: 4, Says: `below ".wh.d"`, Strict: 4},
	{Name: "marker-v7-directory", Layers: upon(rawtar.Member{Name: "usr/.wh.d/", Mode: 0o755, Magic: rawtar.V7}), Want: withoutD},
	{Name: "marker-symlink", Layers: upon(symlink("usr/.wh.d", "none")), Want: withoutD},
	{Name: "marker-content", Layers: upon(file("usr/.wh.d", many("content", 100))), Want: withoutD},
	{Name: "marker-hardlink-to-file", Layers: upon(hardlink("usr/.wh.d", "usr/a")), Want: withoutD},
	{Name: "marker-hardlink-to-nothing", Layers: upon(hardlink("usr/.wh.d", "none")), Want: withoutD, Strict: 1},
	{Name: "marker-hardlink-to-marker", Layers: upon(marker("usr/.wh.a"), hardlink("usr/.wh.d", "usr/.wh.a")), Want: "/usr /usr/b=b /usr/s>d", Strict: 1},
	{Name: "marker-device", Layers: upon(special('3', "usr/.wh.d")), Want: withoutD},
	{Name: "marker-fifo", Layers: upon(special('6', "usr/.wh.d")), Want: withoutD},
	{Name: "marker-unknown-type", Layers: upon(special('Z', "usr/.wh.d")), Want: withoutD, Strict: 1},
	{Name: "marker-mode", Layers: upon(rawtar.Member{Type: '0', Name: "usr/.wh.d"}), Want: withoutD},
	{Name: "marker-opaque-directory", Layers: upon(dir("usr/d/" + opq + "/")), Want: emptyD},
	{Name: "marker-opaque-symlink", Layers: upon(symlink("usr/d/"+opq, "none")), Want: emptyD},
	{Name: "marker-opaque-hardlink", Layers: upon(hardlink("usr/d/"+opq, "none")), Want: emptyD, Strict: 1},
	{Name: "marker-below-symlink", Layers: upon(marker("usr/s/.wh.x"), marker("usr/s/.wh.e")), Want: emptyD, Strict: 1},
	{Name: "marker-below-nothing", Layers: upon(marker("usr/none/.wh.x")), Want: whole, Strict: 1},
	{Name: "marker-as-target", Layers: upon(marker("usr/.wh.d"), hardlink("usr/n", "usr/.wh.d")), Status: 4, Says: `hard link to "usr/.wh.d"`, Strict: 4},
}

// paxFile returns a file whose name only a PAX record can hold.
func paxFile(name string) []rawtar.Member {
	return []rawtar.Member{pax("path=" + name), file("usr/n", "")}
}

// names are about the names in whiteouts, and their limits.
var names = []Case{
	{Name: "name-bare", Layers: upon(marker("usr/.wh.")), Status: 4, Says: `whiteout of ""`, Strict: 4},
	{Name: "name-bare-in-root", Layers: upon(marker(".wh.")), Status: 4, Says: `whiteout of ""`, Strict: 4},
	{Name: "name-bare-directory", Layers: upon(dir("usr/.wh./")), Status: 4, Says: `whiteout of ""`, Strict: 4},
	{Name: "name-bare-hardlink", Layers: upon(hardlink("usr/.wh.", "usr/a")), Status: 4, Says: `whiteout of ""`, Strict: 4},
	{Name: "name-dot", Layers: upon(marker("usr/.wh..")), Status: 4, Says: `whiteout of "."`, Strict: 4},
	{Name: "name-two-dots", Layers: upon(marker("usr/.wh...")), Status: 4, Says: `whiteout of ".."`, Strict: 4},
	{Name: "name-three-dots", Layers: []Layer{layer(usr, file("usr/...", "x"), file("usr/b", "b")), layer(marker("usr/.wh...."))}, Want: "/usr /usr/b=b"},
	{Name: "name-of-a-marker", Layers: upon(marker("usr/.wh..wh.a")), Want: whole},
	{Name: "name-of-252-bytes", Layers: []Layer{layer(append([]rawtar.Member{usr}, paxFile("usr/"+many("n", 252))...)...), layer(paxFile("usr/.wh." + many("n", 252))...)}, Want: "/usr"},
	{Name: "name-of-255-bytes", Layers: []Layer{layer(append([]rawtar.Member{usr}, paxFile("usr/"+many("n", 255))...)...), layer(paxFile("usr/.wh." + many("n", 255))...)}, Want: "/usr"},
	{Name: "name-of-256-bytes", Layers: upon(paxFile("usr/.wh." + many("n", 256))...), Status: 4, Says: "256 bytes", Strict: 4},
	{Name: "name-of-a-file-256-bytes", Layers: upon(paxFile("usr/" + many("n", 256))...), Status: 4, Says: "256 bytes", Strict: 4},
	{Name: "name-of-a-target-4096-bytes", Layers: one(usr, pax("linkpath="+many("t", 4096)), symlink("usr/s", "t")), Status: 4, Says: "4096 bytes", Strict: 4},
}

// The directories in which AUFS kept what belongs to itself.
const (
	plnk = ".wh..wh.plnk/"
	orph = ".wh..wh.orph/"
)

// aufs are about what AUFS left in layers.
var aufs = []Case{
	{Name: "aufs-metadata", Layers: one(usr, marker(".wh..wh.aufs"), dir(orph), dir(plnk), file("usr/a", "x")), Want: "/usr /usr/a=x"},
	{Name: "aufs-metadata-in-upper", Layers: upon(marker(".wh..wh.aufs"), dir(orph), dir(plnk)), Want: whole},
	{Name: "aufs-one-link", Layers: one(usr, dir(plnk), file(plnk+"1.2", "p"), hardlink("usr/l", plnk+"1.2")), Want: "/usr /usr/l=p*2", Strict: 1},
	{Name: "aufs-two-links", Layers: one(usr, dir(plnk), file(plnk+"1.2", "p"), hardlink("usr/l", plnk+"1.2"), hardlink("usr/m", plnk+"1.2")), Want: "/usr /usr/l=p*3 /usr/m=p*3", Strict: 1},
	{Name: "aufs-dotted-names", Layers: one(usr, dir("./"+plnk), file("./"+plnk+"1.2", "p"), hardlink("./usr/l", "./"+plnk+"1.2"), hardlink("usr/m", "/"+plnk+"1.2")), Want: "/usr /usr/l=p*3 /usr/m=p*3", Strict: 1},
	{Name: "aufs-large-file", Layers: one(usr, dir(plnk), file(plnk+"1.2", many("p", 900)), hardlink("usr/l", plnk+"1.2")), Want: "/usr /usr/l=" + many("p", 900) + "*2", Strict: 1},
	{Name: "aufs-without-directory", Layers: one(usr, file(plnk+"1.2", "p"), hardlink("usr/l", plnk+"1.2")), Want: "/usr /usr/l=p*2", Strict: 1},
	{Name: "aufs-link-of-its-own", Layers: one(usr, file("usr/a", "x"), dir(plnk), hardlink(plnk+"1.2", "usr/a")), Want: "/usr /usr/a=x*2", Strict: 1},
	{Name: "aufs-unlinked-file", Layers: one(usr, dir(orph), file(orph+"1.2", "p"), file("usr/a", "x")), Want: "/usr /usr/a=x", Strict: 1},
	{Name: "aufs-link-to-nothing", Layers: one(usr, dir(plnk), hardlink("usr/l", plnk+"1.2")), Status: 4, Says: "does not exist", Strict: 1},
	{Name: "aufs-elsewhere", Layers: one(usr, marker("usr/.wh..wh.plnk"), dir("usr/"+orph), file("usr/a", "x")), Want: "/usr /usr/a=x"},
	{Name: "aufs-elsewhere-with-child", Layers: one(usr, file("usr/"+plnk+"1.2", "p")), Status: 4, Says: `below ".wh..wh.plnk"`, Strict: 4},
}

// devices are about the whiteouts of overlayfs that are files of an image.
var devices = []Case{
	{Name: "overlay-whiteout", Layers: one(usr, special('3', "usr/w")), Want: "/usr /usr/w!c"},
	{Name: "overlay-two-names", Layers: one(usr, special('3', "usr/w"), hardlink("usr/w2", "usr/w")), Want: "/usr /usr/w!c /usr/w2!c", Strict: 1},
	{Name: "overlay-three-names", Layers: one(usr, dir("usr/d/"), special('3', "usr/d/w"), hardlink("usr/w2", "usr/d/w"), hardlink("usr/w3", "usr/w2")), Want: "/usr /usr/d /usr/d/w!c /usr/w2!c /usr/w3!c", Strict: 1},
	{Name: "overlay-name-gone", Layers: []Layer{layer(usr, special('3', "usr/w"), hardlink("usr/w2", "usr/w")), layer(marker("usr/.wh.w"))}, Want: "/usr /usr/w2!c", Strict: 1},
	{Name: "overlay-no-whiteout", Layers: one(usr, special('3', "usr/c").With(majorAt, "0000001\x000000003\x00"), hardlink("usr/c2", "usr/c")), Want: "/usr /usr/c!c*2 /usr/c2!c*2"},
}
