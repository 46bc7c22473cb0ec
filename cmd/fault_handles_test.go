package cmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// nobody is the user that others are in tests.
const nobody = 65534

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root")
	}
}

// notRegular makes what a tool would wait for, or read without end.
var notRegular = map[string]func(name string) error{
	"FIFO":      func(name string) error { return unix.Mkfifo(name, 0o644) },
	"socket":    func(name string) error { return unix.Mknod(name, unix.S_IFSOCK|0o644, 0) },
	"/dev/zero": func(name string) error { return os.Symlink("/dev/zero", name) },
	"directory": func(name string) error { return os.Mkdir(name, 0o755) },
}

// instead does something while a file has been replaced by what is no regular one.
func instead(t *testing.T, name string, makeOdd func(string) error, do func()) {
	t.Helper()
	if err := errors.Join(os.Rename(name, name+".away"), makeOdd(name)); err != nil {
		t.Fatal(err)
	}
	do()
	if err := errors.Join(os.RemoveAll(name), os.Rename(name+".away", name)); err != nil {
		t.Fatal(err)
	}
}

// hangs is how long a tool may take in vain: it would take for ever.
const hangs = "timeout -k 1 120 "

// TestFault13: files that are FIFOs or devices made the tools hang, past --timeout.
func TestFault13(t *testing.T) {
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	repo := cmdtest.Scratch(t) + "/repo"
	must(t, repo, p.code)
	layout := strings.TrimPrefix(p.source(), "oci:")
	m := imagetest.Manifest(t, layout)
	for what, makeOdd := range notRegular {
		instead(t, repo+"/meta.json", makeOdd, func() {
			for _, code := range []string{"cfs-link show " + tagName, "cfs-gc --dry-run", "cfs-gc check", "cfs-import <&-"} {
				if r := shell(t, repo, hangs+code); r.Status != 1 && r.Status != 4 || !strings.Contains(r.Stderr, "meta.json") {
					t.Errorf("meta.json is a %s: %s: exit status %d\n%s", what, code, r.Status, r.Stderr)
				}
			}
		})
		empty := cmdtest.Scratch(t) + "/empty"
		must(t, empty, "cfs-import --init --insecure </dev/null; true")
		for _, name := range []string{"index.json", "oci-layout", "blobs/sha256/" + imagetest.Top(t, layout).Digest.Encoded(),
			"blobs/sha256/" + m.Config.Digest.Encoded(), "blobs/sha256/" + m.Layers[0].Digest.Encoded()} {
			instead(t, filepath.Join(layout, name), makeOdd, func() {
				wantError(t, shell(t, empty, hangs+p.code), 1, "is not a regular file", filepath.Base(name))
			})
		}
	}
	// The user may have links in a layout.
	name := layout + "/blobs/sha256/" + m.Layers[0].Digest.Encoded()
	instead(t, name, func(name string) error { return os.Symlink(filepath.Base(name)+".away", name) }, func() {
		must(t, cmdtest.Scratch(t)+"/linked", p.code)
	})
}

// TestFault16Folders: objects/XX as a symbolic link was followed: root wrote where others
// wanted it to. It is refused, and named; nothing is taken for damage.
func TestFault16Folders(t *testing.T) {
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	for _, inside := range []bool{false, true} {
		repo, elsewhere := cmdtest.Scratch(t)+"/repo", cmdtest.Scratch(t)+"/elsewhere"
		must(t, repo, p.code)
		folders, err := filepath.Glob(repo + "/objects/??")
		if err != nil || len(folders) == 0 {
			t.Fatal(folders, err)
		}
		dir := folders[len(folders)/2]
		if inside {
			elsewhere = repo + "/elsewhere"
		}
		if err := errors.Join(os.Rename(dir, elsewhere), os.Symlink(elsewhere, dir)); err != nil {
			t.Fatal(err)
		}
		before, names := must(t, repo, "ls -lR "+elsewhere), must(t, repo, "ls -lR "+repo+"/streams "+repo+"/images")
		link := "objects/" + filepath.Base(dir) + " is a symbolic link"
		for _, code := range []string{"cfs-gc check", "cfs-gc check --repair", "cfs-gc", "cfs-gc check --content"} {
			wantError(t, shell(t, repo, code), 1, link)
		}
		if after := must(t, repo, "ls -lR "+repo+"/streams "+repo+"/images"); after != names {
			t.Errorf("inside %v: the names were\n%s\nand are\n%s", inside, names, after)
		}
		must(t, repo, "rm -r "+repo+"/streams "+repo+"/images") // so that all is stored again
		wantError(t, shell(t, repo, p.code), 1, link)
		if after := must(t, repo, "ls -lR "+elsewhere); after != before {
			t.Errorf("inside %v: where the link leads there was\n%s\nand is\n%s", inside, before, after)
		}
	}
}

// TestFault16Repository: root is warned, once, of a repository into which others may write.
func TestFault16Repository(t *testing.T) {
	needRoot(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	for want, change := range map[string]func(dir string) error{
		"belongs to the user with ID 65534": func(dir string) error { return os.Chown(dir, nobody, nobody) },
		"has mode 0722":                     func(dir string) error { return os.Chmod(dir, 0o722) },
	} {
		repo := cmdtest.Scratch(t) + "/repo"
		must(t, repo, p.code)
		if err := change(repo); err != nil {
			t.Fatal(err)
		}
		for _, code := range []string{"cfs-gc check", "cfs-link show " + tagName, "cfs-link show " + tagName + " | cfs-mkerofs", p.code} {
			r := shell(t, repo, code)
			stages := 1 + strings.Count(code, " | ")
			if code == p.code {
				stages = 4
			}
			if n := strings.Count(r.Stderr, "warning: repository "+repo+" "+want); r.Status != 0 || n < 1 || n > stages {
				t.Errorf("%s: exit status %d, %d warnings\n%s", code, r.Status, n, r.Stderr)
			}
		}
	}
}

// TestFault16Spool: root does not use a spool into which others may write, unless it is told
// to.
func TestFault16Spool(t *testing.T) {
	needRoot(t)
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 10_000)
	f.must("mkdir spool && chown 65534 spool")
	wantError(t, f.run(f.code), 1, "spool: "+f.dir+"/spool belongs to the user with ID 65534, so root does not use it as a spool", "--untrusted-spool")
	if list, err := os.ReadDir(f.dir + "/spool"); len(list) > 0 || err != nil {
		t.Errorf("it has %v, %v", list, err)
	}
	pull := strings.Replace(f.code, "cfs-fetch", "cfs-pull --init --insecure", 1) + " --untrusted-spool " + tagName
	f.must(pull)
	f.wantEmptySpool()
}

// TestFault17: cfs-import cat wrote the bytes of another layer, with success, where the name of
// a layer led to that. It tells now, after it has written them.
func TestFault17(t *testing.T) {
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	repo := cmdtest.Scratch(t) + "/repo"
	must(t, repo, p.code)
	names, err := filepath.Glob(repo + "/streams/oci-layer-*")
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		must(t, repo, "cfs-import cat "+filepath.Base(name)+" >/dev/null")
	}
	must(t, repo, "ln -sfn $(readlink "+names[1]+") "+names[0])
	wrong, right := strings.TrimPrefix(filepath.Base(names[0]), "oci-layer-"), strings.TrimPrefix(filepath.Base(names[1]), "oci-layer-")
	for _, operand := range []string{filepath.Base(names[0]), wrong, wrong[:len("sha256:")+20]} {
		r := shell(t, repo, "cfs-import cat "+operand)
		wantError(t, r, 4, "has the digest "+right+", not "+wrong)
		if r.Stdout != must(t, repo, "cfs-import cat "+right) {
			t.Errorf("%s: it wrote %d bytes", operand, len(r.Stdout))
		}
	}
	if r := shell(t, repo, "cfs-gc check --content"); r.Status != 4 || !strings.Contains(r.Stdout, "has the digest "+right+", not "+wrong) {
		t.Errorf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
}
