package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// TestMountList mounts an image by a ref, at a directory of an odd name: it is listed, with
// all names of the image, and it keeps the image.
func TestMountList(t *testing.T) {
	t.Parallel()
	needComposefs(t)
	p := undisturbed(t, imagetest.SmallLayers(t))
	repo := filepath.Join(t.TempDir(), "repo")
	must(t, repo, p.code)
	image := p.digest(t, "image")
	must(t, repo, "cfs-mkerofs --image "+tagName+" --store --ref mine/a")
	dir := t.TempDir() + "/two\nlines"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	must(t, repo, "cfs-mount refs/mine/a "+cmdtest.Quote(dir))
	listed := func(args string) (line string) {
		t.Helper()
		for line := range strings.Lines(must(t, repo, "cfs-mount --list "+args)) {
			if strings.Contains(line, `two\nlines`) {
				return line
			}
		}
		return ""
	}
	quoted := strings.ReplaceAll(dir, "\n", `\n`)
	if got, want := listed(""), quoted+"\t"+image+"\tro\t"+tagName+"\trefs/mine/a\n"; got != want {
		t.Errorf("listed as %q, want %q", got, want)
	}
	if got, want := listed("--json"), `{"v":2,"dir":"`+quoted+`","image":"`+image+`","read_only":true,"tags":["`+tagName+`","refs/mine/a"]}`+"\n"; got != want {
		t.Errorf("listed as %q, want %q", got, want)
	}
	must(t, repo, "cfs-link untag "+tagName+" refs/mine/a")
	if got := must(t, repo, "cfs-link why "+image); !strings.HasPrefix(got, "@mount\t"+image+"\t") {
		t.Errorf("why: %q", got)
	}
	if got := must(t, repo, "cfs-link why --paths "+image); !strings.HasPrefix(got, "@mount\t"+image+"\t") || strings.Count(got, "\n") != 1 {
		t.Errorf("why --paths: %q", got)
	}
	if got, want := listed(""), quoted+"\t"+image+"\tro\n"; got != want {
		t.Errorf("without a name: %q, want %q", got, want)
	}
	unmount(t, dir)
	if got := listed(""); got != "" {
		t.Errorf("after it was unmounted: %q", got)
	}
	if got := must(t, repo, "cfs-link why "+image); got != "" {
		t.Errorf("why: %q", got)
	}
	wantError(t, shell(t, repo, "cfs-mount --list x"), 2, "unexpected operand")
	wantError(t, shell(t, repo, "cfs-mount --json x y"), 2, "--list")
	wantError(t, shell(t, repo, "cfs-mount --list --repo /nowhere"), 3, "names: ")
}
