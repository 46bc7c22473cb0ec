package scripts

import (
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// makeTree makes a tree with each kind of file that anybody can make.
const makeTree = `mkdir -p tree/sub && cd tree &&
	echo tiny >inline && yes | head -c 5000 >large && ln large sub/hard && ln -s large link && mkfifo pipe &&
	chmod 640 inline && touch -d @1700000000 inline large link pipe sub . && cd ..`

// TestTree checks that an image of a tree holds it, and its objects are stored.
func TestTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, dir, makeTree)
	id := must(t, dir, "mkcomposefs --print-digest --digest-store=store/new tree image")
	if got := must(t, dir, "mkcomposefs --threads=1 --print-digest-only tree"); got != id {
		t.Errorf("the digest is %s alone, %s with an image", got, id)
	}
	id = strings.TrimSpace(must(t, dir, "composefs-info measure-file tree/large"))
	path := id[:2] + "/" + id[2:]
	if got, want := must(t, dir, "composefs-info ls image"), "/inline\n/large\t@ "+path+"\n/link\t-> large\n/pipe\n/sub/\t\n/sub/hard\t@ "+path+"\n"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	must(t, dir, "cmp tree/large store/new/"+path)
	if got := must(t, dir, "cd store/new && find . -type f"); got != "./"+path+"\n" {
		t.Errorf("the store has %q", got)
	}
	if got := must(t, dir, "composefs-info --basedir=store/new missing-objects image"); got != "" {
		t.Errorf("missing is %q", got)
	}
	must(t, dir, "composefs-info dump image | mkcomposefs --from-file - again && cmp image again")
}

// TestTreeOptions checks what each option takes away.
func TestTreeOptions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, dir, makeTree)
	for _, line := range strings.Split(strings.TrimSpace(must(t, dir, "mkcomposefs --use-epoch tree - | composefs-info dump /dev/stdin")), "\n") {
		if mtime := strings.Split(line, " ")[7]; mtime != "0.0" {
			t.Errorf("with --use-epoch: %s", line)
		}
	}
	if r := cmdtest.Shell(t, dir, "setfattr -n user.mine -v x tree/inline && mknod tree/device b 7 0"); r.Status != 0 {
		t.Skipf("NOT TESTED: --skip-devices, --skip-xattrs and --user-xattrs: %s", r.Stderr)
	}
	// What runs the test may give files xattrs of its own, as labels.
	all := must(t, dir, "mkcomposefs tree image && composefs-info dump image")
	if !strings.Contains(all, " user.mine=x") || !strings.Contains(all, "/device ") {
		t.Errorf("the image has %q", all)
	}
	if got := must(t, dir, "mkcomposefs --skip-devices tree image && composefs-info dump image"); strings.Contains(got, "/device ") {
		t.Errorf("with --skip-devices: %q", got)
	}
	if got := must(t, dir, "mkcomposefs --skip-xattrs tree image && composefs-info dump image"); strings.Contains(got, "=") {
		t.Errorf("with --skip-xattrs: %q", got)
	}
	if got := must(t, dir, "mkcomposefs --user-xattrs tree image && composefs-info dump image"); strings.Count(got, "=") != 1 {
		t.Errorf("with --user-xattrs: %q", got)
	}
}
