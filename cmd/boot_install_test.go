package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
)

// bootingRepo pulls a vector of boot entries, and returns the repository and the folder
// beside it in which to install.
func bootingRepo(t *testing.T, vector string) (repo, boot string) {
	t.Helper()
	layout, err := filepath.Abs("../../shared/vectors/booting/" + vector + "/layout")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(layout); err != nil {
		t.Skip("without the vectors of boot entries: ", err)
	}
	dir := cmdtest.Scratch(t)
	repo = filepath.Join(dir, "repo")
	shell(t, repo, "cfs-pull --init --insecure --progress none --bootable oci:"+layout+" t") // may fail, by what is tested
	return repo, filepath.Join(dir, "boot")
}

var longDigest = regexp.MustCompile(`[0-9a-f]{128}`)
var kernelFolder = regexp.MustCompile(`composefs-[0-9a-f]{32}`)

// installed returns the texts of all entries and the names of all other files, with digests
// as D and folders of kernels as K.
func installed(t *testing.T, boot string) string {
	t.Helper()
	out := must(t, "", "cd "+cmdtest.Quote(boot)+" 2>/dev/null || exit 0; find . -type f ! -path './loader/*' | sort; cat loader/entries/*.conf 2>/dev/null; true")
	return kernelFolder.ReplaceAllString(longDigest.ReplaceAllString(out, "D"), "K")
}

const ourKarg = "composefs.digest=?v1-sha512-12:D"

// TestBootInstallVectors: what is installed of each image that the reference was tried with.
func TestBootInstallVectors(t *testing.T) {
	t.Parallel()
	kernel := func(args string) string {
		return "./K/initramfs.img\n./K/vmlinuz\n# File created by cfs-link\ntitle ID\nversion 6.1.0\nsort-key composefs\nlinux /K/vmlinuz\ninitrd /K/initramfs.img\noptions " + ourKarg + args + "\n"
	}
	for _, c := range []struct {
		vector, args string
		status       int
		want         string
	}{
		{"vmlinuz", "", 0, kernel("")},
		{"vmlinuz", "--cmdline root=UUID=x --cmdline ro", 0, kernel(" root=UUID=x ro")},
		{"vmlinuz", "--cmdline 'a=\"b c\"' --require-verity", 0, strings.Replace(kernel(` a="b c"`), "?", "", 1)},
		{"vmlinuz", "--cmdline composefs=x", 2, ""}, {"vmlinuz", "--cmdline ''", 2, ""}, {"vmlinuz", "--cmdline 'a\nlinux /evil'", 2, ""},
		{"vmlinuz", "--cmdline 'rw quiet'", 2, ""}, {"vmlinuz", "--insecure --require-verity", 2, ""}, {"vmlinuz", "--tries 0", 2, ""},
		{"vmlinuz", "--entry-id a/b", 2, ""}, {"vmlinuz", "--entry-id ../esc", 2, ""}, {"vmlinuz", "--entry-id ''", 2, ""}, {"vmlinuz", "--entry-id a+3", 2, ""},
		{"vmlinuz", "--entry-id .a", 2, ""}, {"vmlinuz", "--entry-id a.", 2, ""}, {"vmlinuz", "--entry /none", 3, ""},
		{"vmlinuz-noinitrd", "", 1, ""},
		{"bls", "", 0, "./K/initrd-1\n./K/vmlinuz-1\ntitle T\nlinux /K/vmlinuz-1\ninitrd /K/initrd-1\noptions " + ourKarg + " root=UUID=1 quiet\n"},
		{"bls-blanks", "", 0, "./K/vmlinuz-1\nlinux /K/vmlinuz-1\noptions " + ourKarg + " q\n"},
		{"bls-devicetree", "", 0, "./K/d.dtb\n./K/vmlinuz-1\nlinux /K/vmlinuz-1\ndevicetree /K/d.dtb\noptions " + ourKarg + " q\n"},
		{"bls-old-karg", "", 0, "./K/vmlinuz-1\nlinux /K/vmlinuz-1\noptions " + ourKarg + " ro\n"},
		{"bls-quotes", "--cmdline root=d", 0, "./K/vmlinuz-1\nlinux /K/vmlinuz-1\noptions " + ourKarg + " a=\"b root=c\" ro root=d\n"},
		{"bls-two-options", "", 0, "./K/vmlinuz-1\noptions " + ourKarg + " one two root=x\nlinux /K/vmlinuz-1\n"},
		{"bls-no-options", "", 0, "./K/vmlinuz-1\ntitle T\nlinux /K/vmlinuz-1\n# c\n\nfoo bar\noptions " + ourKarg + "\n"},
		{"bls-efi", "", 4, ""}, {"bls-uki", "", 4, ""}, {"bls-efi", "--cmdline a", 2, ""}, {"bls-missing", "", 3, ""}, {"none", "", 1, ""},
		{"uki", "", 0, "./EFI/Linux/ID.efi\n"}, {"uki", "--tries 3", 0, "./EFI/Linux/ID+3.efi\n"}, {"uki", "--cmdline a", 2, ""},
		{"uki-addon-first", "", 0, "./EFI/Linux/ID.efi\n"}, {"uki-insecure", "", 0, "./EFI/Linux/ID.efi\n"},
		{"uki-wrong", "", 4, ""}, {"uki-no-karg", "", 4, ""}, {"uki-modules", "", 4, ""}, {"uki-upper-case", "", 0, kernel("")},
	} {
		t.Run(c.vector+" "+c.args, func(t *testing.T) {
			t.Parallel()
			repo, boot := bootingRepo(t, c.vector)
			args := c.args
			if !strings.Contains(args, "--entry-id") {
				args += " --entry-id ID"
			}
			r := shell(t, repo, "cfs-link boot-install --state none --bootdir "+boot+" "+args+" t")
			if r.Status != c.status {
				t.Fatalf("status %d, want %d: %s", r.Status, c.status, r.Stderr)
			}
			if got := installed(t, boot); got != c.want {
				t.Errorf("installed\n%s\nwant\n%s", got, c.want)
			}
			if _, err := os.Stat(boot); c.status != 0 && err == nil {
				t.Error("a refusal has made the boot directory")
			}
		})
	}
}

// everything lists a folder with all by which a change shows.
func everything(t *testing.T, dir string) string {
	t.Helper()
	return must(t, "", "find "+cmdtest.Quote(dir)+" -printf '%P %y %m %i %s %T@ %l\\n' | sort")
}

// TestBootInstall: installed, again, listed, collected around, removed.
func TestBootInstall(t *testing.T) {
	t.Parallel()
	repo, boot := bootingRepo(t, "vmlinuz")
	install := "cfs-link boot-install --state state --bootdir " + boot + " "
	dry := must(t, repo, "cd "+filepath.Dir(repo)+" && "+install+"--dry-run t")
	if n := strings.Count(dry, "write "); n != 3 {
		t.Errorf("dry run:\n%s", dry)
	}
	if _, err := os.Stat(boot); err == nil {
		t.Error("a dry run has made the boot directory")
	}
	record := must(t, repo, "cd "+filepath.Dir(repo)+" && "+install+"t")
	rec := parseRecord(t, strings.TrimSuffix(record, "\n"))
	if rec.Kind != "boot" || rec.Get("name") != "t" || rec.Get("kind") != "kernel" || rec.Get("id") != "composefs-"+rec.Digest[:16] || !strings.HasPrefix(rec.Get("manifest"), "sha256:") {
		t.Errorf("record %s", record)
	}
	for _, name := range []string{boot + "/" + rec.Get("entry"), repo + "/images/refs/boot/" + rec.Get("id") + "/" + rec.Digest,
		filepath.Dir(repo) + "/state/deploy/" + rec.Digest + "/etc/upper", filepath.Dir(repo) + "/state/deploy/" + rec.Digest + "/var"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	before := everything(t, boot)
	if again := must(t, repo, "cd "+filepath.Dir(repo)+" && "+install+"t"); again != record || everything(t, boot) != before {
		t.Errorf("again: %s", again)
	}
	must(t, repo, "cfs-link untag t && cfs-gc --keep 0 && cfs-gc check")
	if why := must(t, repo, "cfs-link why "+rec.Digest); why != "@ref\timages/refs/boot/"+rec.Get("id")+"/"+rec.Digest+"\n" {
		t.Errorf("why: %s", why)
	}
	if list := must(t, repo, "cfs-link boot-list --check --bootdir "+boot); !strings.HasPrefix(list, "boot "+rec.Digest+" id="+rec.Get("id")) {
		t.Errorf("list: %s", list)
	}
	must(t, "", "rm "+boot+"/composefs-*/vmlinuz")
	if r := shell(t, repo, "cfs-link boot-list --json --check --bootdir "+boot); r.Status != 4 || !strings.Contains(r.Stdout, `"entry-kind":"bls","entry":`) || !strings.Contains(r.Stdout, "vmlinuz") {
		t.Errorf("a file is missing: %+v", r)
	}
	must(t, repo, "cfs-link boot-remove --bootdir "+boot+" "+rec.Get("id"))
	if got := installed(t, boot); got != "" {
		t.Errorf("left: %s", got)
	}
	wantError(t, shell(t, repo, "cfs-link boot-remove --bootdir "+boot+" "+rec.Get("id")), 3, "no boot entry")
	must(t, repo, "cfs-gc --keep 0 --allow-empty")
	if left := must(t, "", "find "+repo+"/objects "+repo+"/images -type f -o -type l"); left != "" {
		t.Errorf("not collected:\n%s", left)
	}
}

// TestBootInstallOthers: what others have put there is not replaced, also where a file
// system folds case; kernels are shared, and go with the last entry.
func TestBootInstallOthers(t *testing.T) {
	t.Parallel()
	repo, boot := bootingRepo(t, "vmlinuz")
	install := "cfs-link boot-install --state none --bootdir " + boot + " --entry-id "
	must(t, "", "mkdir -p "+boot+"/loader/entries && echo title mine >"+boot+"/loader/entries/Mine+1.conf")
	before := everything(t, boot)
	wantError(t, shell(t, repo, install+"mine t"), 1, "belongs to another repository")
	if everything(t, boot) != before {
		t.Error("a refusal has changed something")
	}
	must(t, repo, install+"a t && "+install+"b --tries 2 --cmdline x=1 t")
	must(t, "", "cd "+boot+"/loader/entries && mv b+2.conf b+1-1.conf")
	must(t, repo, install+"b --tries 2 --cmdline x=1 t") // as the loader has left it
	must(t, repo, install+"A --cmdline y=2 t")           // is a for vfat
	if got := must(t, "", "cd "+boot+" && ls loader/entries composefs-*"); !strings.Contains(got, "initramfs.img\nvmlinuz\n") || !strings.Contains(got, "Mine+1.conf\na.conf\nb+1-1.conf\n") || strings.Count(got, "vmlinuz") != 1 {
		t.Errorf("there are\n%s", got)
	}
	must(t, repo, "cfs-link boot-remove --bootdir "+boot+" b && ls "+boot+"/composefs-*/vmlinuz && cfs-link boot-list --check --bootdir "+boot)
	must(t, "", "printf 'title \\377\\n' >"+boot+"/loader/entries/odd.conf")
	wantError(t, shell(t, repo, "cfs-link boot-remove --bootdir "+boot+" a"), 1, "could not be read")
	must(t, "", "ls "+boot+"/composefs-*/vmlinuz")
}

// TestBootInstallForeignTwin: a file of others with the ID of our entry is not removed with it.
func TestBootInstallForeignTwin(t *testing.T) {
	t.Parallel()
	repo, boot := bootingRepo(t, "vmlinuz")
	install := "cfs-link boot-install --state none --bootdir " + boot + " --entry-id a t"
	must(t, repo, install)
	must(t, "", "mkdir -p "+boot+"/EFI/Linux && echo mine >"+boot+"/EFI/Linux/a.efi")
	before := everything(t, boot)
	wantError(t, shell(t, repo, install), 1, "a.efi exists and belongs to another repository")
	if everything(t, boot) != before {
		t.Error("a refusal has changed something")
	}
}

// TestBootInstallReplaced: what an entry has named before goes with it, the kernels first,
// unless another entry cannot be read.
func TestBootInstallReplaced(t *testing.T) {
	t.Parallel()
	repo, boot := bootingRepo(t, "vmlinuz")
	bls, _ := filepath.Abs("../../shared/vectors/booting/bls/layout")
	must(t, repo, "cfs-pull --progress none --bootable oci:"+bls+" u")
	install := "cfs-link boot-install --state none --bootdir " + boot + " --entry-id a "
	must(t, repo, install+"t")
	kernels := strings.TrimSpace(must(t, "", "cd "+boot+" && ls -d composefs-*"))
	must(t, "", "printf 'title \\377\\n' >"+boot+"/loader/entries/odd.conf")
	if r := shell(t, repo, install+"u"); r.Status != 0 || !strings.Contains(r.Stderr, "all kernel directories and refs of a are kept") {
		t.Errorf("with an entry that cannot be read: %+v", r)
	}
	must(t, repo, "ls "+boot+"/"+kernels+"/vmlinuz && test $(ls $COMPOSEFS_REPO/images/refs/boot/a | wc -l) = 2")
	must(t, repo, "rm "+boot+"/loader/entries/odd.conf && "+install+"t")
	if dry := must(t, repo, install+"--dry-run u"); !strings.Contains(dry, "remove "+kernels+" 0\n") {
		t.Errorf("dry run:\n%s", dry)
	}
	must(t, repo, install+"u && ! test -e "+boot+"/"+kernels+" && test $(ls $COMPOSEFS_REPO/images/refs/boot/a | wc -l) = 1 && cfs-link boot-list --check --bootdir "+boot)
}

// TestBootRemoveNotMounted: an entry is not taken for removed where its partition is not
// mounted.
func TestBootRemoveNotMounted(t *testing.T) {
	t.Parallel()
	repo, boot := bootingRepo(t, "vmlinuz")
	must(t, repo, "cfs-link boot-install --state none --bootdir "+boot+" --entry-id a t && mv "+boot+" "+boot+".away")
	for _, make := range []string{"true", "mkdir " + boot} {
		must(t, "", make)
		wantError(t, shell(t, repo, "cfs-link boot-remove --bootdir "+boot+" a"), 1, "mounted")
		must(t, repo, "test -e $COMPOSEFS_REPO/images/refs/boot/a && ! test -e "+boot+"/loader")
	}
	must(t, repo, "cfs-link boot-remove --force --bootdir "+boot+" a && ! test -e $COMPOSEFS_REPO/images/refs/boot/a")
}

// TestBootInstallTogether: of two at once none is lost.
func TestBootInstallTogether(t *testing.T) {
	t.Parallel()
	repo, boot := bootingRepo(t, "vmlinuz")
	install := "cfs-link boot-install --state none --bootdir " + boot + " --entry-id "
	must(t, repo, install+"a t & p=$!; "+install+"b t && wait $p && cfs-link boot-list --check --bootdir "+boot)
	if got := must(t, "", "cd "+boot+" && ls loader/entries"); got != "a.conf\nb.conf\n" {
		t.Error(got)
	}
	wantError(t, shell(t, repo, "flock "+boot+"/loader "+install+"c --no-wait t"), 5, "locked")
}

// TestKillBootInstall kills an installation that replaces an entry, and a removal, before
// each call by which they change something. An entry that is there has its files, its image
// and its ref; the same again ends as if nothing had happened.
func TestKillBootInstall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	template, _ := bootingRepo(t, "vmlinuz")
	top := filepath.Dir(template)
	must(t, template, "cfs-link boot-install --state none --bootdir "+top+"/boot --entry-id a t")
	for _, c := range []struct{ name, code string }{
		{"install", "cfs-link boot-install --state none --bootdir ${COMPOSEFS_REPO%/*}/boot --entry-id b --tries 3 t"},
		{"replace", "cfs-link boot-install --state none --bootdir ${COMPOSEFS_REPO%/*}/boot --entry-id a --cmdline x=1 t"},
		{"remove", "cfs-link boot-remove --bootdir ${COMPOSEFS_REPO%/*}/boot a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fresh := func() string {
				dir := cmdtest.Scratch(t)
				must(t, "", "cp -a "+top+"/repo "+top+"/boot "+dir)
				return dir + "/repo"
			}
			end := fresh()
			calls := 0
			trapped(t, end, c.code, trap.Count(&calls))
			want := installed(t, filepath.Dir(end)+"/boot")
			for _, n := range cmdtest.Sample(calls, 12) {
				repo := fresh()
				boot := filepath.Dir(repo) + "/boot"
				trapped(t, repo, c.code, trap.From(n, trap.Kill))
				for line := range strings.Lines(must(t, repo, "cfs-link boot-list --bootdir "+boot)) {
					if rec := parseRecord(t, strings.TrimSuffix(line, "\n")); rec.Get("entry") != "" && rec.Get("problem") != "" {
						t.Errorf("killed before call %d: %s", n, line)
					}
				}
				if r := shell(t, repo, c.code); r.Status != 0 && (c.name != "remove" || r.Status != 3) {
					t.Errorf("again after call %d: %+v", n, r)
				}
				if got := installed(t, boot); got != want {
					t.Errorf("killed before call %d, and again:\n%s\nwant\n%s", n, got, want)
				}
				if left := must(t, "", "find "+boot+" -name '.cfs-boot-*'"); left != "" && c.name != "remove" {
					t.Errorf("left over: %s", left)
				}
			}
		})
	}
}

// TestBootInstallFull: a file system without room is left as it is, also one that cannot be
// written; and on a vfat, where names fold, all is as elsewhere.
func TestBootInstallFull(t *testing.T) {
	cmdtest.Slow(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount file systems")
	}
	repo, boot := bootingRepo(t, "vmlinuz")
	install := "cfs-link boot-install --state none --bootdir " + boot + " --entry-id "
	var skipped []string
	mounted := func(code, test string, check func()) {
		t.Helper()
		must(t, "", "mkdir -p "+boot)
		if r := shell(t, "", code); r.Status != 0 {
			skipped = append(skipped, test+": "+r.Stderr)
			return
		}
		defer unix.Unmount(boot, unix.MNT_DETACH)
		check()
	}
	mounted("mount -t tmpfs -o size=32k none "+boot+" && head -c 20480 /dev/zero >"+boot+"/fill", "full", func() {
		before := everything(t, boot)
		wantError(t, shell(t, repo, install+"a t"), 1, "no space left", "are needed")
		if everything(t, boot) != before {
			t.Error("something has changed")
		}
	})
	mounted("mount -t tmpfs -o size=100k none "+boot+" && mkdir -p "+boot+"/loader/entries "+boot+"/composefs-00 && head -c 65536 /dev/zero >"+boot+"/loader/entries/.cfs-boot-x && cp "+boot+"/loader/entries/.cfs-boot-x "+boot+"/composefs-00/vmlinuz; truncate -s 20k "+boot+"/composefs-00/vmlinuz", "full of what killed installations have left", func() {
		must(t, repo, install+"a t && ! test -e "+boot+"/composefs-00 && ! test -e "+boot+"/loader/entries/.cfs-boot-x")
	})
	mounted("mount -t tmpfs -o ro none "+boot, "read-only", func() {
		wantError(t, shell(t, repo, install+"a t"), 1, "read-only")
	})
	disk := filepath.Dir(boot) + "/disk"
	mounted("truncate -s 40M "+disk+" && mkfs.vfat -F 32 "+disk+" && mount -o loop "+disk+" "+boot, "vfat", func() {
		must(t, repo, install+"a t && "+install+"B --tries 3 t && "+install+"b --cmdline x=1 t && cfs-link boot-list --check --bootdir "+boot)
		if got := must(t, "", "ls "+boot+"/loader/entries"); strings.Count(got, "\n") != 2 {
			t.Error(got)
		}
		must(t, repo, fmt.Sprintf("cfs-link boot-remove --bootdir %s A b", boot))
		if got := installed(t, boot); got != "" {
			t.Errorf("left: %s", got)
		}
	})
	if skipped != nil {
		t.Skip("cannot be mounted here: ", skipped)
	}
}

// TestSealing: the argument for a UKI that boots elsewhere, and the check of one.
func TestSealing(t *testing.T) {
	t.Parallel()
	repo, _ := bootingRepo(t, "uki")
	loose, strict := must(t, repo, "cfs-mkerofs karg t"), must(t, repo, "cfs-mkerofs karg --require-verity t")
	if strict != strings.Replace(loose, "=?", "=", 1) || strict == loose {
		t.Errorf("%s and %s", loose, strict)
	}
	must(t, repo, "cfs-mkerofs boot-entries --check t")
	wrong, _ := bootingRepo(t, "uki-wrong")
	if r := shell(t, wrong, "cfs-mkerofs boot-entries --check t"); r.Status != 4 || r.Stdout != must(t, wrong, "cfs-mkerofs boot-entries t") {
		t.Errorf("%+v", r)
	}
	wantError(t, shell(t, repo, "cfs-mkerofs karg --insecure --require-verity t"), 2, "are mutually exclusive")
}

// TestBooted: what the running kernel was told to boot is listed as booted, and removed only by
// force.
func TestBooted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to tell another kernel command line")
	}
	t.Parallel()
	repo, boot := bootingRepo(t, "vmlinuz")
	must(t, repo, "cfs-link boot-install --state none --bootdir "+boot+" --entry-id a t && cfs-link boot-install --state none --bootdir "+boot+" --entry-id b --cmdline x=1 t")
	booted := func(code string) string {
		return "cfs-mkerofs karg t >" + boot + ".cmdline && unshare -m --propagation private sh -ec " + cmdtest.Quote("mount --bind "+boot+".cmdline /proc/cmdline; "+code)
	}
	if r := shell(t, repo, booted("true")); r.Status != 0 {
		t.Skip("SKIPPED: nothing can be mounted: ", r.Stderr)
	}
	if out := must(t, repo, booted("cfs-link boot-list --check --bootdir "+boot)); strings.Count(out, " booted=1") != 2 {
		t.Errorf("listed:\n%s", out)
	}
	before := everything(t, boot)
	wantError(t, shell(t, repo, booted("cfs-link boot-remove --bootdir "+boot+" a")), 1, "a is booted", "--force")
	if everything(t, boot) != before {
		t.Error("a refusal has changed something")
	}
	must(t, repo, booted("cfs-link boot-remove --force --bootdir "+boot+" a")+" && cfs-link boot-list --check --bootdir "+boot)
}

// TestBootListOdd: an entry with a path that no file can have is listed with its problem.
func TestBootListOdd(t *testing.T) {
	t.Parallel()
	repo, boot := bootingRepo(t, "vmlinuz")
	karg := strings.TrimSpace(must(t, repo, "cfs-mkerofs karg t"))
	must(t, "", "mkdir -p "+boot+"/loader/entries && printf 'efi\\nlinux\\n  options  "+karg+"\\r\\ninitrd\t/"+strings.Repeat("a", 300)+"\\n' >"+boot+"/loader/entries/x.conf")
	r := shell(t, repo, "cfs-link boot-list --check --bootdir "+boot)
	if r.Status != 4 || !strings.Contains(r.Stdout, "no%20file%20aaa") || strings.Count(r.Stdout, "\n") != 1 {
		t.Errorf("%+v", r)
	}
}

// TestBootInstallSigned: with --require-signature nothing is installed of which the boot image is
// not signed by whom is trusted.
func TestBootInstallSigned(t *testing.T) {
	t.Parallel()
	keys := sealing(t)
	repo, boot := bootingRepo(t, "vmlinuz")
	install := func(cert string) result {
		return shell(t, repo, "cfs-link boot-install --state none --bootdir "+boot+" --entry-id a --require-signature --trust-cert "+keys+"/"+cert+"-cert.pem t")
	}
	wantError(t, install("TEST"), 3, "sign")
	must(t, repo, "cfs-link sign t --cert "+keys+"/TEST-cert.pem --key "+keys+"/TEST-key.pem")
	wantError(t, install("TEST-other"), 3, "sign")
	wantError(t, install("none"), 1, "none-cert.pem")
	wantError(t, shell(t, repo, "cfs-link boot-install --state none --bootdir "+boot+" --require-signature t"), 2, "--trust-cert")
	if _, err := os.Stat(boot); err == nil {
		t.Error("a refusal has made the boot directory")
	}
	if r := install("TEST"); r.Status != 0 {
		t.Errorf("%+v", r)
	}
}

// TestBootInstallHostile: what an image can have for entries, kernels and names of itself. What
// is refused changes nothing.
func TestBootInstallHostile(t *testing.T) {
	t.Parallel()
	k := fileLine("/boot/k", "kernel")
	entry := func(text string) string { return k + fileLine("/boot/loader/entries/x.conf", text) }
	module := func(version, release string) string {
		return fileLine("/boot/x", "") + fileLine("/usr/lib/os-release", release) + fileLine("/usr/lib/modules/"+version+"/vmlinuz", "k") + fileLine("/usr/lib/modules/"+version+"/initramfs.img", "i")
	}
	for name, c := range map[string]struct {
		dump   string
		status int
		says   string // in the error, or in what is installed
	}{
		"dotdot":        {entry("linux /boot/../boot/k\n"), 3, "no boot image"},
		"carriage":      {entry("linux /boot/k\noptions a\r\n"), 0, "options D a\n"},
		"return inside": {entry("linux /boot/k\ntitle a\roptions evil\n"), 4, "line 2"},
		"NUL":           {entry("linux /boot/k\noptions a\x00b\n"), 4, "line 2"},
		"tabs":          {entry("\tlinux\t/boot/k\n"), 0, "K/k"},
		"a link":        {k + "/boot/l 1 120777 1 0 0 0 0.0 k - -\n" + fileLine("/boot/loader/entries/x.conf", "linux /boot/l\n"), 3, "no boot image"},
		"missing":       {entry("linux /boot/none\n"), 3, "no boot image"},
		"odd name":      {fileLine("/boot/a:b", "kernel") + fileLine("/boot/loader/entries/x.conf", "linux /boot/a:b\n"), 1, "a:b"},
		"same names":    {k + fileLine("/usr/k", "another") + fileLine("/usr/K", "third") + fileLine("/boot/loader/entries/x.conf", "linux /boot/k\ninitrd /usr/k\ninitrd /usr/K\n"), 0, "initrd /K/k-1\ninitrd /K/K-2\n"},
		"evil system":   {module("6.1", "ID=\"../../x\"\nPRETTY_NAME=\"a\x1b[31m\x07\"\nVERSION_ID=\"1\t2\"\n"), 0, "title a?[31m?\nversion 1?2-6.1\nsort-key ../../x\n"},
		"evil kernel":   {module("6.1\\x20evil", "ID=x\n"), 1, "6.1 evil"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := cmdtest.Scratch(t)
			repo, boot := dir+"/repo", dir+"/boot"
			pullLayers(t, repo, "t", imagetest.DumpLayers(t, fileLine("/sysroot/x", "")+fileLine("/usr/x", "")+c.dump)...)
			shell(t, repo, "cfs-link show t | cfs-mkerofs --bootable | cfs-link --tag t") // fails where the reference refuses too
			r := shell(t, repo, "cfs-link boot-install --state none --bootdir "+boot+" t")
			got := strings.ReplaceAll(installed(t, boot), ourKarg, "D")
			if c.status == 0 && (r.Status != 0 || !strings.Contains(got, c.says)) {
				t.Errorf("%+v, installed\n%q", r, got)
			}
			if c.status != 0 {
				wantError(t, r, c.status, c.says)
				if got != "" {
					t.Errorf("installed\n%s", got)
				}
			}
		})
	}
}
