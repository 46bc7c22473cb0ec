package man

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// sandbox is a folder in which sh code runs with the tools in PATH and a repository of
// its own.
type sandbox struct {
	t    *testing.T
	dir  string
	vars []string
}

func newSandbox(t *testing.T) sandbox {
	t.Helper()
	dir, top := t.TempDir(), cmdtest.Root(t)
	return sandbox{t, dir, []string{
		"COMPOSEFS_REPO=" + dir + "/repo", "CFS_BIN=" + cmdtest.Tools(t),
		"EXAMPLES=" + top + "/examples", "IMAGE=oci:" + top + "/testdata/demo-image:latest",
	}}
}

// must returns what code prints, which has to succeed.
func (s sandbox) must(code string) string {
	s.t.Helper()
	return cmdtest.Must(s.t, s.dir, code, s.vars...)
}

const pullFirst = `cfs-pull --init --insecure --progress none --platform linux/amd64 $IMAGE first >/dev/null`

func TestStages(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	s.must(pullFirst)
	s.must(`"$EXAMPLES/stages.sh" "$IMAGE" second records`)
	first, second := s.must(`cfs-link show first`), s.must(`cfs-link show second`)
	if first != second || first == "" {
		t.Errorf("stage by stage:\n%s\nby cfs-pull:\n%s", second, first)
	}
}

func TestMirror(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	s.must(pullFirst)
	s.must(`printf '%s a b\n%s c:d\n' "$IMAGE" "$IMAGE" >list && "$EXAMPLES/mirror.sh" list`)
	if got := s.must(`cfs-link ls | cut -f1`); got != "a b\nc:d\n" {
		t.Errorf("the tags are %q", got)
	}
	s.must(`echo "$IMAGE c:d" >list`)
	if r := cmdtest.Shell(t, s.dir, `echo "oci:$PWD/none x" >>list; "$EXAMPLES/mirror.sh" list`, s.vars...); r.Status == 0 {
		t.Error("an image that could not be pulled is not told of")
	}
	if got := s.must(`cfs-link ls | cut -f1`); got != "a b\nc:d\n" {
		t.Errorf("after a failure the tags are %q", got)
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	got := s.must(`cp "$EXAMPLES/tree.dump" "$EXAMPLES/image.mk" . && make -s -f image.mk check && cat tree.digest`)
	if want := s.must(`cfs-mkerofs --dumpfile tree.dump --hash sha256`); got != want {
		t.Errorf("the digest in the file is %q, want %q", got, want)
	}
	if err := exec.Command("fsverity", "--version").Run(); err != nil {
		t.Skipf("SKIPPED, not compared with fsverity-utils: %v", err)
	}
	if out := s.must(`fsverity digest --compact tree.erofs`); out != got {
		t.Errorf("fsverity says %q, the file has %q", out, got)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	out := s.must(`TMPDIR=$PWD "$EXAMPLES/../scripts/demo"`)
	for _, want := range []string{"status: ok", "This is the image that the demo pulls.", "Objects: 12 removed"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	left, err := os.ReadDir(s.dir)
	if err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, error %v", left, err)
	}
	if os.Geteuid() != 0 || strings.Contains(out, "Left out") {
		t.Skip("SKIPPED, the demo did not mount: this process can't")
	}
}
