package cmd

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// othersEntry writes into a boot directory the entry of another installer, which names an image,
// and returns that. A UKI is one of a vector, in a folder that no boot loader looks into.
func othersEntry(t *testing.T, repo, boot, name string) (image string) {
	t.Helper()
	karg := strings.TrimSpace(must(t, repo, "cfs-mkerofs karg t"))
	image = karg[strings.LastIndexByte(karg, ':')+1:]
	file := boot + "/" + name
	code := "printf 'linux /k\\noptions ro %s\\n' '" + karg + "' >" + file
	if filepath.Ext(name) == ".efi" {
		code = "cfs-mkerofs cat t /boot/EFI/Linux/a.efi >" + file
	}
	must(t, repo, "mkdir -p "+filepath.Dir(file)+" && "+code)
	return image
}

// TestCollectBootFolder: what entries of other installers name is kept, though nothing in the
// repository refers to it any more.
func TestCollectBootFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ vector, name string }{
		{"vmlinuz", "loader/entries/o.conf"}, {"vmlinuz", "loader/entries.staged/o+3.conf"}, {"uki", "EFI/Linux/bootc/o.efi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			repo, boot := bootingRepo(t, c.vector)
			image := othersEntry(t, repo, boot, c.name)
			must(t, repo, "cfs-link untag t && cfs-gc --keep 0 --bootdir "+boot+" --bootdir "+boot)
			must(t, repo, "cfs-mkerofs dump "+image+" >/dev/null && cfs-gc check")
			must(t, "", "rm "+boot+"/"+c.name)
			wantError(t, shell(t, repo, "cfs-gc --keep 0 --bootdir "+boot), 1, "nothing is tagged")
			must(t, repo, "cfs-gc --keep 0 --allow-empty --bootdir "+boot)
			if left := must(t, "", "find "+repo+"/objects "+repo+"/images -type f -o -type l"); left != "" {
				t.Errorf("not collected:\n%s", left)
			}
		})
	}
}

// TestCollectBootFolderUnknown: what cannot be read may name any image, so nothing is removed;
// what names none, or an image that is not here, stops nothing.
func TestCollectBootFolderUnknown(t *testing.T) {
	t.Parallel()
	repo, boot := bootingRepo(t, "vmlinuz")
	must(t, repo, "cfs-link untag t && mkdir -p "+boot+"/loader/entries "+boot+"/EFI/Linux")
	before := everything(t, repo)
	for _, c := range []struct {
		code   string
		status int
		says   string
	}{
		{"printf 'title \\377\\n' >loader/entries/x.conf", 1, "loader/entries/x.conf"},
		{"head -c 1048577 /dev/zero | tr '\\0' a >loader/entries/x.conf", 1, "1048576 bytes"},
		{"ln -s /etc/passwd loader/entries/x.conf", 1, "x.conf"},
		{"mkdir loader/entries/x.conf", 1, "x.conf"},
		{"mkfifo loader/entries/x.conf", 1, "x.conf"},
		{"echo no PE with composefs= in it >EFI/Linux/x.efi", 1, "EFI/Linux/x.efi"},
		{"rm -r loader && ln -s EFI loader", 1, "loader"},
		{"rm -r loader && echo >loader", 1, "loader"},
		{"cd .. && rm -r boot", 3, "boot"},
		{"cd .. && rm -r boot && echo >boot", 1, "boot"},
	} {
		must(t, "", "cd "+boot+" && "+c.code)
		r := shell(t, repo, "cfs-gc --keep 0 --allow-empty --bootdir "+boot)
		wantError(t, r, c.status, c.says)
		if everything(t, repo) != before {
			t.Fatalf("%s: something was removed: %+v", c.code, r)
		}
		must(t, "", "rm -rf "+boot+" && mkdir -p "+boot+"/loader/entries "+boot+"/EFI/Linux")
	}
	must(t, "", "cd "+boot+" && echo no PE >EFI/Linux/x.efi && echo options composefs=zz >loader/entries/x.conf && "+
		"echo options composefs="+strings.Repeat("12", 64)+" >loader/entries/gone.conf")
	r := shell(t, repo, "cfs-gc --dry-run --keep 0 --allow-empty --bootdir "+boot)
	wantError(t, r, 0, "x.efi", "composefs=zz", "gone.conf names the image "+strings.Repeat("12", 64))
}

// TestCollectBootRef: the ref of an entry keeps its image with the reference's collector, as
// with ours, which names it.
func TestCollectBootRef(t *testing.T) {
	t.Parallel()
	repo, boot := bootingRepo(t, "vmlinuz")
	rec := parseRecord(t, strings.TrimSuffix(must(t, repo, "cfs-link boot-install --state none --bootdir "+boot+" t"), "\n"))
	ref := "images/refs/boot/" + rec.Get("id") + "/" + rec.Digest
	if out := must(t, repo, "cfs-gc --keep 0"); strings.Contains(out, "Kept:") {
		t.Errorf("the tag keeps it all, and it says\n%s", out)
	}
	must(t, repo, "cfs-link untag t")
	if out := must(t, repo, "cfs-gc --keep 0"); !strings.HasSuffix(out, "\nKept: "+ref+"\n") {
		t.Errorf("the ref is not named:\n%s", out)
	}
	check := func() {
		t.Helper()
		must(t, repo, "cfs-gc check && cfs-link boot-list --check --bootdir "+boot+" && cfs-mkerofs dump "+rec.Digest+" >/dev/null")
	}
	check()
	if _, err := exec.LookPath("cfsctl"); err != nil {
		t.Skip("SKIPPED: no cfsctl: ", err)
	}
	must(t, repo, "cfsctl --insecure --repo \"$COMPOSEFS_REPO\" gc")
	check()
}
