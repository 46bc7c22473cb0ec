package cmd

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/lib/verity"
)

// TestMountErrors: what cannot be mounted is told, and nothing is left mounted.
func TestMountErrors(t *testing.T) {
	t.Parallel()
	needComposefs(t)
	p := undisturbed(t, imagetest.SmallLayers(t))
	base := t.TempDir()
	repo, dir, artifact := base+"/repo", base+"/dir", t.TempDir()
	imagetest.MakeArtifact(t, artifact, "some blob")
	must(t, repo, p.code+" && cfs-pull oci:"+artifact+" artifact && mkdir "+dir)
	image := p.digest(t, "image")
	garbage := verity.SHA512.Sum([]byte("garbage"))
	must(t, repo, fmt.Sprintf("cd $COMPOSEFS_REPO && mkdir -p objects/%s && printf garbage > objects/%s && ln -s ../objects/%[2]s images/%s",
		garbage.ObjectPath()[:2], garbage.ObjectPath(), garbage))
	none := strings.Repeat("0", 64)
	for _, v := range []struct {
		args   string
		status int
		says   string
	}{
		{"none " + dir, 3, "none"},
		{"sha256:" + none + " " + dir, 3, "sha256:" + none},
		{none + none + " " + dir, 3, none},
		{"artifact " + dir, 1, "artifact is an artifact"},
		{tagName + " " + base + "/none", 3, base + "/none"},
		{tagName + " " + base + "/repo/meta.json", 1, "not a directory"},
		{garbage.String() + " " + dir, 4, garbage.String()},
		{"--repo " + base + "/none " + tagName + " " + dir, 3, base + "/none"},
		{"--require-verity " + tagName + " " + dir, 1, "repository " + repo + " is not protected by fs-verity"},
		{"--none " + tagName + " " + dir, 2, "none"},
		{"-o none " + tagName + " " + dir, 2, "none"},
		{"-o basedir= " + tagName + " " + dir, 2, "basedir="},
		{"-o digest=" + image + " " + tagName + " " + dir, 2, "basedir"},
		{"-o basedir=" + base + "/none " + repo + "/images/" + image + " " + dir, 3, base + "/none"},
		{"-o verity,basedir=" + repo + "/objects,digest=" + image + " " + repo + "/images/" + image + " " + dir, 1, "fs-verity"},
		{"--read-write " + tagName + " " + dir, 2, "--upperdir"},
		{"--upperdir " + base + " " + tagName + " " + dir, 2, "--workdir"},
		{"--upperdir " + base + "/none --workdir " + dir + " " + tagName + " " + dir, 3, base + "/none"},
		{tagName, 2, "DIR"},
		{tagName + " " + dir + " " + dir, 2, "DIR"},
	} {
		r := shell(t, repo, "cfs-mount "+v.args)
		wantError(t, r, v.status, "cfs-mount: ", v.says)
		if t.Failed() {
			t.Fatalf("cfs-mount %s", v.args)
		}
	}
	// The image in which a byte is another one, under its digest.
	object := repo + "/objects/" + image[:2] + "/" + image[2:]
	if err := flipByte(object, 2000); err != nil {
		t.Fatal(err)
	}
	wantError(t, shell(t, repo, "cfs-mount "+tagName+" "+dir), 4, image)
	if left := must(t, "", "grep "+base+" /proc/self/mountinfo || true"); left != "" {
		t.Errorf("left mounted:\n%s", left)
	}
}

// TestMountAsNobody: who may not mount is told so.
func TestMountAsNobody(t *testing.T) {
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	base := cmdtest.Scratch(t)
	must(t, base+"/repo", p.code+" && chmod 755 "+base+" $COMPOSEFS_REPO && mkdir "+base+"/dir")
	wantError(t, shellAsNobody(t, base+"/repo", "cfs-mount --fuse no "+tagName+" "+base+"/dir"), 1, "operation not permitted", "hint: ", "root")
}

// TestMountInsecure: what a "?" in a kernel argument asks for is mounted without fs-verity too,
// but never with another content. scripts/boot-vm has the rest, where there is fs-verity.
func TestMountInsecure(t *testing.T) {
	needComposefs(t)
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	p := pulledInto(t, repo, imagetest.SmallLayers(t), "--insecure")
	image := p.digest(t, "image")
	dir := mounted(t, repo, "--insecure "+image)
	unmount(t, dir)
	for _, other := range []string{"--require-verity", "-o ro", "--require-signature --trust-cert /x", "--list"} {
		wantError(t, shell(t, repo, "cfs-mount --insecure "+other+" "+image+" "+dir), 2, "--insecure")
	}
	if err := flipByte(filepath.Join(repo, "images", image), 1030); err != nil {
		t.Fatal(err)
	}
	wantError(t, shell(t, repo, "cfs-mount --insecure "+image+" "+dir), 4, "a different digest")
}
