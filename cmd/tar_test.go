package cmd

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// oddTar is a tar of all kinds of members, and of names, times and attributes that not every form of tar holds.
func oddTar(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	at := func(ns int64) time.Time { return time.Unix(1_700_000_000, ns) }
	add := func(h tar.Header, content string) {
		h.Size, h.Format = int64(len(content)), tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	xattrs := map[string]string{"SCHILY.xattr.user.x": "a=b\x00\n", "SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}
	add(tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o1751, Uid: 7, Gid: 8, ModTime: at(5)}, "")
	add(tar.Header{Typeflag: tar.TypeDir, Name: "usr/", Mode: 0o755, ModTime: at(1)}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "usr/big", Mode: 0o4755, Uid: 1 << 30, Gid: 3, ModTime: at(123456789), PAXRecords: xattrs}, strings.Repeat("content ", 50000))
	add(tar.Header{Typeflag: tar.TypeReg, Name: "usr/small", Mode: 0o600, ModTime: at(0)}, "small")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "usr/empty", ModTime: time.Unix(-5, 0)}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "usr/\xff\xfe", Mode: 0o644, ModTime: at(0)}, "no UTF-8")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "usr/" + strings.Repeat("long", 60), Mode: 0o644, ModTime: at(0)}, strings.Repeat("x", 65))
	add(tar.Header{Typeflag: tar.TypeLink, Name: "usr/a-link", Linkname: "usr/big"}, "")
	add(tar.Header{Typeflag: tar.TypeSymlink, Name: "usr/sym", Linkname: strings.Repeat("../", 60) + "größe", Mode: 0o777, ModTime: at(9)}, "")
	add(tar.Header{Typeflag: tar.TypeLink, Name: "usr/z-sym", Linkname: "usr/sym"}, "")
	add(tar.Header{Typeflag: tar.TypeChar, Name: "usr/chr", Mode: 0o666, Devmajor: 5, Devminor: 300, ModTime: at(0)}, "")
	add(tar.Header{Typeflag: tar.TypeBlock, Name: "usr/blk", Mode: 0o660, Devmajor: 259, Devminor: 1, ModTime: at(0)}, "")
	add(tar.Header{Typeflag: tar.TypeFifo, Name: "usr/fifo", Mode: 0o600, ModTime: at(0)}, "")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestTar: what cfs-mkerofs tar writes of an image is the same tree when it is imported, or unpacked, and the same
// bytes each time.
func TestTar(t *testing.T) {
	t.Parallel()
	dir := cmdtest.Scratch(t)
	repo := dir + "/repo"
	imagetest.Make(t, dir+"/one", oddTar(t), imagetest.Tar(t, imagetest.File("usr/more", "of another layer")))
	must(t, repo, "cfs-pull --init --insecure --progress=none oci:"+dir+"/one one && cfs-mkerofs tar one >"+dir+"/a.tar && cfs-mkerofs tar one | cmp - "+dir+"/a.tar")
	data, err := os.ReadFile(dir + "/a.tar")
	if err != nil {
		t.Fatal(err)
	}
	imagetest.Make(t, dir+"/two", data)
	must(t, repo, "cfs-pull --progress=none oci:"+dir+"/two two")
	if diff := must(t, repo, "cfs-mkerofs diff one two"); diff != "" {
		t.Errorf("imported again it differs:\n%s", diff)
	}
	erofs := func(name string) string {
		return must(t, repo, "cfs-link ls | grep '^"+name+"\t' | cut -f3")
	}
	if erofs("one") != erofs("two") {
		t.Error("the EROFS images differ")
	}
	wantError(t, shell(t, repo, "cfs-mkerofs tar"), 2, "IMAGE")
	wantError(t, shell(t, repo, "cfs-mkerofs tar nope"), 3, "nope")
	if os.Geteuid() != 0 {
		return
	}
	must(t, repo, fmt.Sprintf("mkdir %[1]s/x && tar -x --numeric-owner --xattrs --xattrs-include='*' -p -C %[1]s/x -f %[1]s/a.tar", dir))
	if listed, unpacked := must(t, repo, "cfs-mkerofs ls one | grep -av '^/$' | LC_ALL=C sort"), must(t, repo, "cd "+dir+"/x && find . -mindepth 1 | sed 's/^.//' | LC_ALL=C sort"); strings.Count(listed, "\n") != strings.Count(unpacked, "\n") {
		t.Errorf("unpacked:\n%s\nwant\n%s", unpacked, listed)
	}
}

// TestTarLacksObject: if an object is missing the tar ends with an error, not as if it were whole.
func TestTarLacksObject(t *testing.T) {
	t.Parallel()
	dir := cmdtest.Scratch(t)
	repo := dir + "/repo"
	imagetest.Make(t, dir+"/one", imagetest.Tar(t, imagetest.File("big", strings.Repeat("x", 100))))
	must(t, repo, "cfs-pull --init --insecure --progress=none oci:"+dir+"/one one && rm $COMPOSEFS_REPO/objects/$(cfs-mkerofs objects one | head -1 | sed 's,^..,&/,')")
	r := shell(t, repo, "cfs-mkerofs tar one")
	if r.Status == 0 || strings.HasSuffix(r.Stdout, strings.Repeat("\x00", 1024)) {
		t.Errorf("exit status %d, %d bytes", r.Status, len(r.Stdout))
	}
}
