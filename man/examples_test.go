package man

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sandbox returns a new folder, and a function that runs shell code in it with the
// tools in PATH and a repository of its own.
func sandbox(t *testing.T) (dir string, run func(code string) (stdout string, err error)) {
	t.Helper()
	bin, dir := buildTools(t), t.TempDir()
	top, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir, func(code string) (string, error) {
		t.Helper()
		c := exec.Command("sh", "-c", code)
		c.Dir, c.Stderr = dir, os.Stderr
		c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "COMPOSEFS_REPO="+dir+"/repo", "CFS_BIN="+bin,
			"EXAMPLES="+top+"/examples", "IMAGE=oci:"+top+"/testdata/demo-image:latest")
		out, err := c.Output()
		return string(out), err
	}
}

// must returns what code prints, which has to succeed.
func must(t *testing.T, run func(string) (string, error), code string) string {
	t.Helper()
	out, err := run(code)
	if err != nil {
		t.Fatalf("%s: %v\n%s", code, err, out)
	}
	return out
}

const pullFirst = `cfs-pull --init --insecure --progress none --platform linux/amd64 $IMAGE first >/dev/null`

func TestStages(t *testing.T) {
	_, run := sandbox(t)
	must(t, run, pullFirst)
	must(t, run, `"$EXAMPLES/stages.sh" "$IMAGE" second records`)
	first, second := must(t, run, `cfs-link show first`), must(t, run, `cfs-link show second`)
	if first != second || first == "" {
		t.Errorf("stage by stage:\n%s\nby cfs-pull:\n%s", second, first)
	}
}

func TestMirror(t *testing.T) {
	_, run := sandbox(t)
	must(t, run, pullFirst)
	must(t, run, `printf '%s a b\n%s c:d\n' "$IMAGE" "$IMAGE" >list && "$EXAMPLES/mirror.sh" list`)
	if got := must(t, run, `cfs-link ls | cut -f1`); got != "a b\nc:d\n" {
		t.Errorf("the tags are %q", got)
	}
	must(t, run, `echo "$IMAGE c:d" >list`)
	if _, err := run(`echo "oci:$PWD/none x" >>list; "$EXAMPLES/mirror.sh" list 2>/dev/null`); err == nil {
		t.Error("an image that could not be pulled is not told of")
	}
	if got := must(t, run, `cfs-link ls | cut -f1`); got != "a b\nc:d\n" {
		t.Errorf("after a failure the tags are %q", got)
	}
}

func TestImage(t *testing.T) {
	_, run := sandbox(t)
	got := must(t, run, `cp "$EXAMPLES/tree.dump" "$EXAMPLES/image.mk" . && make -s -f image.mk check && cat tree.digest`)
	if want := must(t, run, `cfs-mkerofs --dumpfile tree.dump --hash sha256`); got != want {
		t.Errorf("the digest in the file is %q, want %q", got, want)
	}
	if err := exec.Command("fsverity", "--version").Run(); err != nil {
		t.Skipf("SKIPPED, not compared with fsverity-utils: %v", err)
	}
	if out := must(t, run, `fsverity digest --compact tree.erofs`); out != got {
		t.Errorf("fsverity says %q, the file has %q", out, got)
	}
}

func TestDemo(t *testing.T) {
	dir, run := sandbox(t)
	out := must(t, run, `TMPDIR=$PWD "$EXAMPLES/../scripts/demo"`)
	for _, want := range []string{"status: ok", "This is the image that the demo pulls.", "Objects: 12 removed"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, error %v", left, err)
	}
	if os.Geteuid() != 0 || strings.Contains(out, "Left out") {
		t.Skip("SKIPPED, the demo did not mount: this process can't")
	}
}
