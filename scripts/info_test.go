package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// dumpText is a small file system, with the object of one file.
const (
	digest   = "35d02f81325122d77ec1d11baba655bc9bf8a891ab26119a41c50fa03ddfb408"
	object   = "35/d02f81325122d77ec1d11baba655bc9bf8a891ab26119a41c50fa03ddfb408"
	dumpText = "/ 0 40755 3 0 0 0 1.0 - - -\n" +
		`/a\x20dir 0 40750 2 1 2 0 2.3 - - - user.b=x user.a=\x3d` + "\n" +
		`/a\x20dir/back\\x20slash 300 100644 2 0 0 0 1.0 ` + object + " - " + digest + " user.b=x\n" +
		`/a\x20dir/hard 0 @120000 - - - - 0.0 /a\x20dir/back\\x20slash - -` + "\n" +
		`/dash 1 120777 1 0 0 0 1.0 \x2d - -` + "\n" +
		`/null 0 20666 1 0 0 259 1.0 - - -` + "\n" +
		`/small 3 100644 1 0 0 0 1.0 - hi\n -` + "\n"
)

// smallImage makes an image of dumpText in a folder, and returns that.
func smallImage(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.dump"), []byte(dumpText), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "mkcomposefs --from-file in.dump image")
	return dir
}

// TestInfo checks the form in which composefs-info of the C project shows things: its
// spaces, its order of xattrs (own ones, then those that other inodes have too), its
// lines of hard links and the sizes of directories: 12 bytes for each entry, and its
// name, of which "." and ".." are two.
func TestInfo(t *testing.T) {
	t.Parallel()
	dir := smallImage(t)
	for command, want := range map[string]string{
		"ls image": "/a dir/\t\n" +
			`/a dir/back\\x20slash` + "\t@ " + object + "\n" +
			"/a dir/hard\n" +
			"/dash\t-> -\n/null\n/small\n",
		"objects image image":                      object + "\n",
		"missing-objects image":                    object + "\n",
		"--basedir=. missing-objects image":        object + "\n",
		"--filter=dash ls image":                   "/dash\t-> -\n",
		"ls --filter=dash --filter small -- image": "/dash\t-> -\n/small\n",
		"--filter=none objects image":              "",
		"--filter 'a dir' dump image": "/ 4096 40755 3 0 0 0 1.0 - - -\n" +
			`/a\x20dir 68 40750 2 1 2 0 2.3 - - - user.a=\x3d user.b=x` + "\n" +
			`/a\x20dir/back\\x20slash 300 100644 2 0 0 0 1.0 ` + object + " - " + digest + " user.b=x\n" +
			`/a\x20dir/hard 300 @100644 2 0 0 0 1.0 /a\x20dir/back\\x20slash - ` + digest + " user.b=x\n",
	} {
		if got := must(t, dir, "composefs-info "+command); got != want {
			t.Errorf("composefs-info %s: %q, not %q", command, got, want)
		}
	}
	must(t, dir, "mkdir base base/"+object[:2]+" && : >base/"+object)
	if got := must(t, dir, "composefs-info --basedir base missing-objects image"); got != "" {
		t.Errorf("missing is %q", got)
	}
}

// TestMeasureFile has the digests that the C project's own tests expect, and the one
// that the kernel has for an empty file.
func TestMeasureFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got := must(t, dir, "echo hello world >a; echo foo bar baz >-b; : >c; composefs-info measure-file -- a -b c")
	want := "37061ef2ac4c21bec68489b56138c5780306a4ad7fe6676236ecdf2c9027cd92\n" +
		"91e7d88cb7bc9cf6d8db3b0ecf89af4abf204bef5b3ade5113d5b62ef374e70b\n" +
		"3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95\n"
	if got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

// TestOutput checks the ways in which an image can be asked for, against each other.
func TestOutput(t *testing.T) {
	t.Parallel()
	dir := smallImage(t)
	id := must(t, dir, "composefs-info measure-file image")
	for code, want := range map[string]string{
		"mkcomposefs --from-file --print-digest-only in.dump":                                                                id,
		"mkcomposefs --print-digest in.dump new --from-file && cmp image new":                                                id,
		"mkcomposefs --from-file in.dump - | cmp image -":                                                                    "",
		"mkcomposefs --from-file --print-digest in.dump - >both && cat image both | sha256sum":                               must(t, dir, "{ cat image image && composefs-info measure-file image; } | sha256sum"),
		"ln -s real link && mkcomposefs --from-file in.dump link && [ -L link ] && cmp image real":                           "",
		"mkcomposefs --from-file - /proc/self/fd/3 <in.dump 3>fd && cmp image fd":                                            "",
		"mkcomposefs --from-file --use-epoch --skip-xattrs --digest-store=no in.dump -- -x && cmp image ./-x && [ ! -e no ]": "",
		"composefs-dump image - && cmp image ./-":                                                                            "",
	} {
		if got := must(t, dir, code); got != want {
			t.Errorf("%s: %q, not %q", code, got, want)
		}
	}
}

// TestVersions checks how two versions become one: a whiteout raises the lesser one.
func TestVersions(t *testing.T) {
	t.Parallel()
	const root, whiteout = "/ 0 40755 2 0 0 0 1.0 - - -\n", "/gone 0 20644 1 0 0 0 1.0 - - -\n"
	for _, c := range []struct{ options, plain, white string }{
		{"", "0", "1"},
		{"--min-version=0", "0", "0"},
		{"--min-version=1", "1", "1"},
		{"--max-version=0", "0", "0"},
		{"--max-version 1", "0", "1"},
		{"--min-version 1 --max-version 0", "1", "1"},
		{"--min-version 2", "", ""},
		{"--max-version 2", "", ""},
		{"--max-version x", "", ""},
	} {
		for text, want := range map[string]string{root: c.plain, root + whiteout: c.white} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "in.dump"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			// composefs_version is at byte 12 of an image.
			r := cmdtest.Shell(t, dir, "mkcomposefs --from-file "+c.options+" in.dump image && od -An -tu1 -j12 -N1 image")
			if got := strings.TrimSpace(r.Stdout); got != want || (r.Status == 0) != (want != "") {
				t.Errorf("%s: version %q, not %q; exit status %d", c.options, got, want, r.Status)
			}
		}
	}
}

// TestWrong checks that wrong uses and what cannot be read have the exit status 1, as
// with the tools of the C project, a message, and no output.
func TestWrong(t *testing.T) {
	t.Parallel()
	dir := smallImage(t)
	for _, code := range []string{
		"mkcomposefs", "mkcomposefs .", "mkcomposefs . a b", "mkcomposefs '' a", "mkcomposefs --bogus . a",
		"mkcomposefs --print-digest-only . a", "mkcomposefs --threads=0 . a", "mkcomposefs --threads", "mkcomposefs nowhere a",
		"mkcomposefs --skip-xattrs --user-xattrs . a", "mkcomposefs --from-file nowhere a", "mkcomposefs in.dump a",
		"composefs-info", "composefs-info ls", "composefs-info bogus image", "composefs-info ls nowhere",
		"composefs-info ls in.dump", "composefs-info objects image nowhere", "composefs-info --bogus ls image",
		"composefs-info --basedir=nowhere ls image", "composefs-info --filter=a/b ls image", "composefs-info measure-file",
		"composefs-info measure-file nowhere", "composefs-info missing-objects in.dump",
		"composefs-dump", "composefs-dump image", "composefs-dump nowhere a", "composefs-dump in.dump a",
	} {
		r := cmdtest.Shell(t, dir, code+"; status=$?; [ ! -e a ] || echo a file; exit $status")
		if r.Status != 1 || r.Stdout != "" || r.Stderr == "" {
			t.Errorf("%s: exit status %d, %q, %q", code, r.Status, r.Stdout, r.Stderr)
		}
	}
}
