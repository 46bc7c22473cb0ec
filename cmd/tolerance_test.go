package cmd

import (
	"path/filepath"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

type member = imagetest.Member

// The members of which the layers in tables are made.
var file, dir, symlink, hardlink = imagetest.File, imagetest.Dir, imagetest.Symlink, imagetest.Hardlink

// pullTars pulls an image of layers and returns what the pull left, and the dumpfile of
// the image if it was made.
func pullTars(t testing.TB, repo string, strict bool, tars ...[]byte) (r result, dump string) {
	t.Helper()
	layout := t.TempDir()
	imagetest.Make(t, layout, tars...)
	code := "cfs-pull --init --insecure --progress none oci:" + layout + " t"
	if strict {
		code += " --strict"
	}
	if r = shell(t, repo, code); r.Status == 0 {
		dump = must(t, repo, "cfs-mkerofs dump t")
	}
	return r, dump
}

const root = "/ 0 40755 3 0 0 0 0.0 - - -\n"

// tolerance are images by what is odd about them.
var tolerance = map[string]struct {
	layers [][]member
	want   string // the dumpfile, "" if it is refused
	says   string // what a refusal, with --strict or without, says
	strict bool   // it is taken with --strict too
}{
	"parents are made": {
		layers: [][]member{{dir("usr", 0o755), file("usr/a/b/c", "x")}},
		want:   root + "/usr 0 40755 3 0 0 0 0.0 - - -\n/usr/a 0 40755 3 0 0 0 0.0 - - -\n/usr/a/b 0 40755 2 0 0 0 0.0 - - -\n/usr/a/b/c 1 100644 1 0 0 0 0.0 - x -\n",
		says:   `"usr/a/b/c"`,
	},
	"a later entry sets the metadata of a parent": {
		layers: [][]member{{dir("usr", 0o755), file("usr/a/b", "x")}, {dir("usr/a", 0o700).At(5, 0)}},
		want:   root + "/usr 0 40755 3 0 0 0 0.0 - - -\n/usr/a 0 40700 2 0 0 0 5.0 - - -\n/usr/a/b 1 100644 1 0 0 0 0.0 - x -\n",
		says:   `"usr/a/b"`,
	},
	"a whiteout below a missing parent makes nothing": {
		layers: [][]member{{dir("usr", 0o755)}, {file("usr/a/.wh.b", "")}, {file("usr/c/.wh..wh..opq", "")}},
		want:   root + "/usr 0 40755 2 0 0 0 0.0 - - -\n",
		says:   `"usr/a/.wh.b"`,
	},
	"a symbolic link as a parent is followed": {
		layers: [][]member{{dir("usr", 0o755), dir("usr/lib", 0o755), symlink("lib", "usr/lib")}, {file("lib/a", "x"), file("lib/b", "y")}, {file("lib/.wh.a", "")}},
		want:   root + "/lib 7 120777 1 0 0 0 0.0 usr/lib - -\n/usr 0 40755 3 0 0 0 0.0 - - -\n/usr/lib 0 40755 2 0 0 0 0.0 - - -\n/usr/lib/b 1 100644 1 0 0 0 0.0 - y -\n",
		says:   `"lib/a"`,
	},
	"absolute ones start at the root, and none leads above it": {
		layers: [][]member{{dir("usr", 0o755), symlink("usr/up", "../../../../usr"), symlink("usr/abs", "/usr/up/./up")}, {file("usr/abs/a", "x"), hardlink("usr/b", "usr/abs/a")}},
		want: root + "/usr 0 40755 2 0 0 0 0.0 - - -\n/usr/a 1 100644 2 0 0 0 0.0 - x -\n/usr/abs 12 120777 1 0 0 0 0.0 /usr/up/./up - -\n" +
			"/usr/b 0 @120000 - - - - 0.0 /usr/a - -\n/usr/up 15 120777 1 0 0 0 0.0 ../../../../usr - -\n",
		says: `"usr/abs/a"`,
	},
	"symbolic links in a circle":         {layers: [][]member{{dir("usr", 0o755), symlink("usr/a", "b"), symlink("usr/b", "a")}, {file("usr/a/x", "")}}, says: "usr/a/x"},
	"a symbolic link to nothing":         {layers: [][]member{{dir("usr", 0o755), symlink("usr/a", "b")}, {file("usr/a/x", "")}}, says: "usr/a/x"},
	"a symbolic link to a file":          {layers: [][]member{{dir("usr", 0o755), file("usr/b", ""), symlink("usr/a", "b")}, {file("usr/a/x", "")}}, says: "usr/a/x"},
	"a name of 256 bytes":                {layers: [][]member{{dir("usr", 0o755), file("usr/"+strings.Repeat("a", 256), "")}}, says: "256 bytes"},
	"a target of 4096 bytes":             {layers: [][]member{{dir("usr", 0o755), symlink("usr/a", strings.Repeat("a", 4096))}}, says: "4096 bytes"},
	"without /usr the root is as it was": {layers: [][]member{{dir(".", 0o750).At(7, 0), file("a", "x")}}, want: "/ 0 40750 2 0 0 0 7.0 - - -\n/a 1 100644 1 0 0 0 0.0 - x -\n", says: "/usr"},
	"without /usr and ./ it is plain":    {layers: [][]member{{file("a", "x").At(9, 0)}}, want: "/ 0 40755 2 0 0 0 0.0 - - -\n/a 1 100644 1 0 0 0 9.0 - x -\n", says: "/usr"},
	"then /run is as old as the root": {
		layers: [][]member{{dir(".", 0o750).At(7, 0), dir("run", 0o700).At(8, 0), file("run/x", "")}},
		want:   "/ 0 40750 3 0 0 0 7.0 - - -\n/run 0 40700 2 0 0 0 7.0 - - -\n", says: "/usr",
	},
	"/run that is a symbolic link": {
		layers: [][]member{{dir("usr", 0o755).At(3, 0), symlink("run", "usr").At(4, 0)}},
		want:   "/ 0 40755 3 0 0 0 3.0 - - -\n/run 3 120777 1 0 0 0 4.0 usr - -\n/usr 0 40755 2 0 0 0 3.0 - - -\n", says: "/run",
	},
	"a time before 1970": {
		layers: [][]member{{dir("usr", 0o755), file("usr/a", "").At(-2, 500000000), file("usr/b", "").At(-3, 0)}},
		want:   root + "/usr 0 40755 2 0 0 0 0.0 - - -\n/usr/a 0 100644 1 0 0 0 -2.500000000 - - -\n/usr/b 0 100644 1 0 0 0 -3.0 - - -\n",
		says:   "1970",
	},
	"mode bits that are none are left out": {
		layers: [][]member{{dir("usr", 0o100755), file("usr/a", "")}},
		want:   root + "/usr 0 40755 2 0 0 0 0.0 - - -\n/usr/a 0 100644 1 0 0 0 0.0 - - -\n",
		strict: true,
	},
	"long names, and names of dots": {
		layers: [][]member{{dir("usr", 0o755), file("usr/...", "x"), symlink("usr/"+strings.Repeat("a", 255), "x")}},
		want: root + "/usr 0 40755 2 0 0 0 0.0 - - -\n/usr/... 1 100644 1 0 0 0 0.0 - x -\n/usr/" +
			strings.Repeat("a", 255) + " 1 120777 1 0 0 0 0.0 x - -\n",
		strict: true,
	},
}

// TestTolerance: what the reference refuses and we take, by the rules that are written
// down for it; and what we refuse and it takes.
func TestTolerance(t *testing.T) {
	t.Parallel()
	for name, c := range tolerance {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tars [][]byte
			for _, l := range c.layers {
				tars = append(tars, imagetest.Tar(t, l...))
			}
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			r, dump := pullTars(t, repo, false, tars...)
			switch {
			case c.want == "":
				wantError(t, r, 4, c.says)
			case r.Status != 0:
				t.Errorf("status %d: %s", r.Status, r.Stderr)
			case dump != c.want:
				t.Errorf("dumpfile\n%swant\n%s", dump, c.want)
			}
			r, _ = pullTars(t, repo, true, tars...)
			switch {
			case c.strict && r.Status != 0:
				t.Errorf("with --strict: %s", r.Stderr)
			case !c.strict && c.want != "":
				wantError(t, r, 1, c.says, "refused by --strict")
			case !c.strict && r.Status != 1:
				wantError(t, r, 4, c.says)
			}
		})
	}
}

// TestParentsWrittenOut: an image with missing parents is the image of the same files
// with all of them written out.
func TestParentsWrittenOut(t *testing.T) {
	t.Parallel()
	files := []member{file("usr/share/doc/a", "x"), symlink("usr/bin/deep/down/here", "there"), file("etc/a", strings.Repeat("y", 100)), hardlink("var/lib/b", "etc/a")}
	var dirs []member
	for _, name := range []string{"usr", "usr/share", "usr/share/doc", "usr/bin", "usr/bin/deep", "usr/bin/deep/down", "etc", "var", "var/lib"} {
		dirs = append(dirs, dir(name, 0o755))
	}
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	_, bare := pullTars(t, repo, false, imagetest.Tar(t, files...))
	_, full := pullTars(t, repo, true, imagetest.Tar(t, append(dirs, files...)...))
	if bare == "" || bare != full {
		t.Errorf("without parents\n%swith them\n%s", bare, full)
	}
}
