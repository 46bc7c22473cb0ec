package cmd

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/lib/dumpfile"
	"cfs/lib/verity"
)

// pullLayers pulls an image of layers, and returns the digest of its plain EROFS image.
func pullLayers(t *testing.T, repo, tag string, layers ...[]byte) string {
	t.Helper()
	layout := t.TempDir()
	imagetest.Make(t, layout, layers...)
	return oneImage(t, must(t, repo, "cfs-pull --init --insecure --progress none oci:"+layout+" "+tag))
}

// oneImage returns the digest in the first record of an image.
func oneImage(t *testing.T, records string) string {
	t.Helper()
	_, rest, ok := strings.Cut(records, "\nimage ")
	if !ok {
		t.Fatalf("no image in\n%s", records)
	}
	digest, _, _ := strings.Cut(rest, " ")
	return digest
}

// makeBootImage adds the boot image in a format to a tagged image, and returns its
// digest.
func makeBootImage(t *testing.T, repo, tag, version string) string {
	t.Helper()
	records := must(t, repo, "cfs-link show "+tag+" | cfs-mkerofs --bootable --erofs-version "+version+" | cfs-link --tag "+tag)
	for line := range strings.Lines(records) {
		if rec := parseRecord(t, line); rec.Get("variant") == "boot" && rec.Get("erofs-version") == version {
			return rec.Digest
		}
	}
	t.Fatalf("no boot image in\n%s", records)
	return ""
}

// fileLine is the line of a dumpfile about a text file.
func fileLine(path, text string) string {
	return fmt.Sprintf("%s %d 100644 1 0 0 0 0.0 - %s -\n", path, len(text), dumpfile.Escape(text))
}

// entriesLayer is a layer with loader entries, and with a kernel, an add-on and a UKI
// that are not what they should be.
func entriesLayer(t *testing.T, options ...string) []byte {
	t.Helper()
	dump := fileLine("/usr/lib/modules/6.0.0/vmlinuz", "x") + fileLine("/boot/loader/addons/x.addon.efi", "") +
		fileLine("/usr/lib/modules/6.0.0/u.efi", imagetest.UKI("rw"))
	for i, o := range options {
		dump += fileLine(fmt.Sprintf("/boot/loader/entries/%d.conf", i), o)
	}
	return imagetest.DumpLayers(t, dump)[0]
}

// TestBootEntries: what is said of an image with something of each kind, whose command
// lines name its boot images, another image, nothing that is known, and nonsense. What
// is in /boot is not in the boot images, so it can name them.
func TestBootEntries(t *testing.T) {
	t.Parallel()
	repo, unknown := filepath.Join(cmdtest.Scratch(t), "repo"), strings.Repeat("12", 64)
	plain := pullLayers(t, repo, "t", append(imagetest.BootableLayers(t, 1, ""), entriesLayer(t))...)
	first, second := makeBootImage(t, repo, "t", "1"), makeBootImage(t, repo, "t", "2")
	uki := imagetest.UKI("composefs.digest=v1-sha512-12:" + first + " rw quiet")
	pullLayers(t, repo, "sealed", append(imagetest.BootableLayers(t, 1, uki), entriesLayer(t,
		"title a b\nlinux /usr/lib/modules/6.1.0/vmlinuz\noptions rw\noptions composefs=?"+second+"\n",
		"options composefs.digest=v1-sha512-12:"+plain+"\n",
		"options composefs="+unknown+"\n",
		"options composefs=zz\x1b\n"))...)
	if got := must(t, repo, "cfs-mkerofs boot-entries sealed"); strings.Count(got, " is not known: there is no boot image. To make one: cfs-link show ") != 4 {
		t.Errorf("without a boot image:\n%s", got)
	}
	if got := makeBootImage(t, repo, "sealed", "1") + makeBootImage(t, repo, "sealed", "2"); got != first+second {
		t.Errorf("the boot images are %s, want %s and %s", got, first, second)
	}
	want := fmt.Sprintf(`bls /boot/loader/entries/0.conf
  title "a b"
  file "/usr/lib/modules/6.1.0/vmlinuz"
  cmdline "rw composefs=?%[2]s"
  digest %[2]s is the boot image, composefs.image.boot
bls /boot/loader/entries/1.conf
  cmdline "composefs.digest=v1-sha512-12:%[3]s"
  digest %[3]s is not the boot image: cfs-mkerofs diff %[1]s %[3]s
bls /boot/loader/entries/2.conf
  cmdline "composefs=%[4]s"
  digest %[4]s is not the boot image, and not in the repository. With it as FILE: cfs-mkerofs diff %[2]s FILE
bls /boot/loader/entries/3.conf
  cmdline "composefs=zz\x1b"
  problem kernel argument "composefs=zz\x1b": "zz\x1b" is not an fs-verity digest: want 64 or 128 hex digits
uki /boot/EFI/Linux/test-6.1.0.efi
  title "Test OS 1.0"
  cmdline "composefs.digest=v1-sha512-12:%[1]s rw quiet"
  digest %[1]s is the boot image, composefs.image.boot.v1
global-addon /boot/loader/addons/x.addon.efi
  problem not an EFI executable: it ends before byte 64
uki /usr/lib/modules/6.0.0/u.efi
  title "Test OS 1.0"
  cmdline "rw"
  problem the command line names no image
kernel /usr/lib/modules/6.0.0/vmlinuz
  problem no initramfs.img next to it
kernel /usr/lib/modules/6.1.0/vmlinuz
  file "/usr/lib/modules/6.1.0/initramfs.img"
`, first, second, plain, unknown)
	if diff := cmp.Diff(want, must(t, repo, "cfs-mkerofs boot-entries sealed")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The command that is to explain it does.
	r := shell(t, repo, "cfs-mkerofs diff "+first+" "+plain)
	if r.Status != 1 || !strings.Contains(r.Stdout, "/boot/EFI: added directory\n") {
		t.Errorf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	checkJSON(t, repo, first, second, plain)
	object := verity.SHA512.Sum([]byte(uki))
	if err := flipByte(filepath.Join(repo, "objects", object.ObjectPath()), 700); err != nil {
		t.Fatal(err)
	}
	wantError(t, shell(t, repo, "cfs-mkerofs boot-entries sealed"), 4, "test-6.1.0.efi", object.String())
}

// checkJSON checks the same as JSON, with the repository named by an option.
func checkJSON(t *testing.T, repo, first, second, plain string) {
	t.Helper()
	got := strings.Split(must(t, "", "cfs-mkerofs boot-entries sealed --json --repo "+repo), "\n")
	for i, want := range map[int]string{
		0: `{"v":2,"kind":"bls","path":"/boot/loader/entries/0.conf","title":"a b","files":["/usr/lib/modules/6.1.0/vmlinuz"],"cmdline":"rw composefs=?` + second + `","digest":"` + second + `","boot-image":"composefs.image.boot"}`,
		1: `{"v":2,"kind":"bls","path":"/boot/loader/entries/1.conf","cmdline":"composefs.digest=v1-sha512-12:` + plain + `","digest":"` + plain + `","explain":"cfs-mkerofs diff --repo '` + repo + `' ` + first + ` ` + plain + `"}`,
		8: `{"v":2,"kind":"kernel","path":"/usr/lib/modules/6.1.0/vmlinuz","version":"6.1.0","files":["/usr/lib/modules/6.1.0/initramfs.img"]}`,
	} {
		if got[i] != want {
			t.Errorf("line %d (-want +got):\n%s", i, cmp.Diff(want, got[i]))
		}
	}
	if len(got) != 10 || got[9] != "" {
		t.Errorf("%d lines, want 9", len(got)-1)
	}
}

// TestBootEntryErrors: what has no entries, and what has broken ones.
func TestBootEntryErrors(t *testing.T) {
	t.Parallel()
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	pullLayers(t, repo, "base", imagetest.BaseLayers(t)...)
	pullLayers(t, repo, "broken", imagetest.DumpLayers(t, fileLine("/boot/loader/entries/a.conf", "linux /none\n"))...)
	artifact := t.TempDir()
	imagetest.MakeArtifact(t, artifact, "some blob")
	must(t, repo, "cfs-pull --progress none oci:"+artifact+" artifact")
	if r := shell(t, repo, "cfs-mkerofs boot-entries base"); r != (result{}) {
		t.Errorf("of an image without entries it says %+v", r)
	}
	for code, c := range map[string]struct {
		status int
		says   string
	}{
		"boot-entries broken":              {1, `broken: "/boot/loader/entries/a.conf": "/none": "none" does not exist`},
		"boot-entries artifact":            {1, "artifact is an artifact"},
		"boot-entries none":                {3, "none"},
		"boot-entries":                     {2, "NAME"},
		"boot-entries base x":              {2, "NAME"},
		"karg artifact":                    {1, "artifact is an artifact"},
		"karg base":                        {3, "base has no boot image of format 1"},
		"karg none":                        {3, "none"},
		"karg " + strings.Repeat("12", 64): {3, strings.Repeat("12", 64)},
		"karg":                             {2, "DIGEST"},
		"karg base --erofs-version 3":      {2, "--erofs-version"},
		"karg base --xattrs nonsense":      {2, "--xattrs"},
		"karg --hash sha256 base":          {2, "--hash requires --tree"},
		"karg --tree / base":               {2, "unexpected operand"},
		"karg --tree / --xattrs allowlist-only --no-propagate-usr-to-root": {2, "are mutually exclusive"},
		"karg --tree /none":                                        {3, "/none"},
		"karg --tree $COMPOSEFS_REPO":                              {1, "is missing"},
		"karg --tree / --erofs-version auto":                       {2, "--erofs-version"},
		"karg --xattrs allowlist-only " + strings.Repeat("12", 64): {2, "--xattrs requires a container image"},
	} {
		r := shell(t, repo, "cfs-mkerofs "+code)
		wantError(t, r, c.status, "cfs-mkerofs: ", c.says)
		if r.Stdout != "" {
			t.Errorf("%s: printed %q", code, r.Stdout)
		}
	}
	if r := shell(t, repo, "cfs-mkerofs karg base"); !strings.Contains(r.Stderr, "hint: cfs-link show NAME | cfs-mkerofs --bootable") {
		t.Errorf("no hint: %s", r.Stderr)
	}
}

// TestKarg: the argument in the form of the reference, by tag and by digest.
func TestKarg(t *testing.T) {
	t.Parallel()
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	plain := pullLayers(t, repo, "t", imagetest.BootableLayers(t, 1, "")...)
	if got := makeBootImage(t, repo, "t", "1"); got != imagetest.FirstBoot {
		t.Errorf("the boot image is %s, want %s", got, imagetest.FirstBoot)
	}
	second := makeBootImage(t, repo, "t", "2")
	for code, want := range map[string]string{
		"t":                   "composefs.digest=?v1-sha512-12:" + imagetest.FirstBoot,
		"t --insecure":        "composefs.digest=?v1-sha512-12:" + imagetest.FirstBoot,
		"--erofs-version 0 t": "composefs.digest=?v1-sha512-12:" + imagetest.FirstBoot,
		"--erofs-version 2 t": "composefs=?" + second,
		imagetest.FirstBoot:   "composefs.digest=?v1-sha512-12:" + imagetest.FirstBoot,
		second:                "composefs=?" + second,
		plain:                 "composefs.digest=?v1-sha512-12:" + plain,
		"$(cfs-link show t | sed -n 's/^manifest \\([^ ]*\\) .*/\\1/p')": "composefs.digest=?v1-sha512-12:" + imagetest.FirstBoot,
		"@$(cfs-link show t | sed -n 's/^config \\([^ ]*\\) .*/\\1/p')":  "composefs.digest=?v1-sha512-12:" + imagetest.FirstBoot,
	} {
		if got := must(t, repo, "cfs-mkerofs karg "+code); got != want+"\n" {
			t.Errorf("karg %s: %swant %s", code, got, want)
		}
	}
}

// TestKargTree: the argument for a directory has the digest of its boot image.
func TestKargTree(t *testing.T) {
	t.Parallel()
	tree := t.TempDir()
	must(t, "", "cd "+tree+" && mkdir boot sysroot usr && echo x >boot/x && ln -s nowhere boot/x.efi && echo y >usr/y")
	for options, form := range map[string]string{
		"":                                "composefs.digest=v1-sha512-12:%s\n",
		"--hash sha256":                   "composefs.digest=v1-sha256-12:%s\n",
		"--erofs-version 0":               "composefs.digest=v1-sha512-12:%s\n",
		"--erofs-version 2 --hash sha256": "composefs=%s\n",
		"--no-propagate-usr-to-root":      "composefs.digest=v1-sha512-12:%s\n",
		"--xattrs keep-user-xattrs":       "composefs.digest=v1-sha512-12:%s\n",
	} {
		want := fmt.Sprintf(form, strings.TrimSpace(must(t, "", "cfs-mkerofs --bootable "+options+" --tree "+tree)))
		if got := must(t, "", "cfs-mkerofs karg "+options+" --tree "+tree); got != want {
			t.Errorf("karg %s: got %swant %s", options, got, want)
		}
		want = strings.Replace(want, "=", "=?", 1)
		if got := must(t, "", "cfs-mkerofs karg --insecure "+options+" --tree "+tree); got != want {
			t.Errorf("karg --insecure %s: got %swant %s", options, got, want)
		}
	}
}
