package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
)

// TestMountHelperUsage: mount.composefs fails with status 1, as that of the C project,
// and with -f only looks at its options.
func TestMountHelperUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]struct {
		status int
		stderr string
	}{
		"-h":                                  {0, ""},
		"":                                    {1, "0 operands"},
		"image":                               {1, "1 operands"},
		"image dir":                           {1, "basedir= or repo="},
		"image dir -o repo=":                  {1, "repo="},
		"image dir -o repo=r,basedir=b":       {1, "are mutually exclusive"},
		"image dir -o basedir=b -t erofs":     {1, "erofs: no such type"},
		"image dir -o basedir=b -x":           {1, "-x: no such option"},
		"image dir -o":                        {1, "-o needs a value"},
		"image dir -o basedir=b,nosuid":       {1, "nosuid"},
		"/none/image dir -o basedir=b":        {1, "/none/image"},
		"name dir -o repo=/none":              {1, "/none"},
		"-f -t composefs -o basedir=b im dir": {0, ""},
		"im dir -fsnv":                        {1, "-fsnv: no such option"},
		"im dir -f -s -n -v -o defaults,nofail,x-systemd.automount,basedir=b,rw": {0, ""},
	} {
		r := cmdtest.Shell(t, t.TempDir(), "mount.composefs "+args)
		if r.Status != want.status || !strings.Contains(r.Stderr, want.stderr) || want.stderr == "" && r.Stderr != "" {
			t.Errorf("mount.composefs %s: %+v", args, r)
		}
	}
}

// TestMountHelper: mount.composefs mounts as mount(8) calls it, with commas in names, and
// images of a repository.
func TestMountHelper(t *testing.T) {
	needComposefs(t)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "tree"), 0o755); err != nil {
		t.Fatal(err)
	}
	content := strings.Repeat("x", 1000)
	if err := os.WriteFile(filepath.Join(dir, "tree/file"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	cmdtest.Must(t, dir, `mkdir mnt && mkcomposefs --digest-store='ob,je\cts' tree image,1
		cfs-pull --repo 're,po' --init --insecure --platform linux/amd64 "$IMAGE" app:1`, "IMAGE=oci:"+cmdtest.Root(t)+"/testdata/demo-image:latest")
	for _, c := range []struct{ args, file, want string }{
		{`image,1 mnt -o 'rw,basedir=ob\,je\\cts'`, "file", content},
		{`-o 'defaults,ro' -o'basedir=tree:ob\,je\\cts' image,1 mnt`, "file", content},
		{`app:1 mnt -o 'repo=re\,po,x-systemd.requires=a.mount'`, "usr/share/demo/README", "This is the image"},
	} {
		r := cmdtest.Shell(t, dir, "mount.composefs "+c.args+" && cat mnt/"+c.file)
		if r.Status != 0 || !strings.HasPrefix(r.Stdout, c.want) {
			t.Errorf("mount.composefs %s: status %d, %s", c.args, r.Status, r.Stderr)
		}
		_ = unix.Unmount(filepath.Join(dir, "mnt"), unix.MNT_DETACH)
	}
}
