package boot_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/lib/boot"
	"cfs/lib/corrupt"
	"cfs/lib/dumpfile"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

var errDisk = errors.New("broken disk")

// parse reads a dumpfile, to which it adds the line of the root.
func parse(t testing.TB, lines string) *tree.Inode {
	t.Helper()
	root, err := dumpfile.Read(strings.NewReader("/ 0 40755 2 0 0 0 0.0 - - -\n"+lines), dumpfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// dir and file are lines of a dumpfile.
func dir(paths ...string) (lines string) {
	for _, path := range paths {
		lines += path + " 0 40755 2 0 0 0 0.0 - - -\n"
	}
	return lines
}

func file(path, content string) string {
	return fmt.Sprintf("%s %d 100644 1 0 0 0 0.0 - %s -\n", path, len(content), dumpfile.Escape(content))
}

func symlink(path string) string { return path + " 1 120777 1 0 0 0 0.0 x - -\n" }

// inline is the Content of trees that have all in them.
func inline(n *tree.Inode) (io.ReadCloser, error) {
	if uint64(len(n.Inline)) != n.Size || n.Size == 0 {
		return nil, errors.New("not inline, or empty")
	}
	return io.NopCloser(strings.NewReader(n.Inline)), nil
}

// list shows entries, a line each.
func list(entries []boot.Entry) (lines []string) {
	for _, e := range entries {
		line := string(e.Kind) + " " + e.Path
		if e.Version != "" {
			line += " " + e.Version
		}
		if e.Initramfs != nil {
			line += " with initramfs"
		}
		if files := e.Loader.Files(); len(files) > 0 {
			line += " " + strings.Join(files, " ")
		}
		lines = append(lines, line)
	}
	return lines
}

// TestEntries: all kinds, in the order in which they are preferred.
func TestEntries(t *testing.T) {
	root := parse(t, dir("/boot", "/boot/EFI", "/boot/EFI/Linux", "/boot/EFI/Linux/b.efi.extra.d")+
		file("/boot/EFI/Linux/a.efi", "not looked at")+file("/boot/EFI/Linux/b.efi", "")+
		file("/boot/EFI/Linux/b.efi.extra.d/x.addon.efi", "")+file("/boot/EFI/Linux/b.efi.extra.d/y.efi", "")+
		file("/boot/EFI/Linux/c.addon.efi", "")+symlink("/boot/EFI/Linux/z")+
		dir("/boot/loader", "/boot/loader/addons", "/boot/loader/entries")+
		file("/boot/loader/addons/g.addon.efi", "")+file("/boot/loader/addons/h.efi", "")+
		file("/boot/loader/entries/b.conf", "linux /boot//k\ninitrd boot/./i\n")+file("/boot/loader/entries/a.conf", "title t\n")+
		symlink("/boot/loader/entries/link")+file("/boot/i", "")+file("/boot/k", "")+
		dir("/usr", "/usr/lib", "/usr/lib/modules", "/usr/lib/modules/1", "/usr/lib/modules/2", "/usr/lib/modules/3", `/usr/lib/modules/4\xff`)+
		file("/usr/lib/modules/1/vmlinuz", "")+file("/usr/lib/modules/2/initramfs.img", "")+file("/usr/lib/modules/2/u.efi", "")+
		file("/usr/lib/modules/2/vmlinuz", "")+symlink("/usr/lib/modules/3/vmlinuz")+
		file(`/usr/lib/modules/4\xff/u.addon.efi`, "")+file("/usr/lib/modules/vmlinuz", ""))
	got, err := boot.Entries(root, inline)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"bls /boot/loader/entries/a.conf",
		"bls /boot/loader/entries/b.conf /boot//k boot/./i",
		"uki /boot/EFI/Linux/a.efi",
		"uki /boot/EFI/Linux/b.efi",
		"addon /boot/EFI/Linux/b.efi.extra.d/x.addon.efi",
		"uki /boot/EFI/Linux/b.efi.extra.d/y.efi",
		"addon /boot/EFI/Linux/c.addon.efi",
		"global-addon /boot/loader/addons/g.addon.efi",
		"uki /boot/loader/addons/h.efi",
		"uki /usr/lib/modules/2/u.efi 2",
		"addon /usr/lib/modules/4\xff/u.addon.efi 4\xff",
		"kernel /usr/lib/modules/1/vmlinuz 1",
		"kernel /usr/lib/modules/2/vmlinuz 2 with initramfs",
	}
	if diff := cmp.Diff(want, list(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := boot.Entries(parse(t, ""), inline); len(got) > 0 || err != nil {
		t.Errorf("in nothing there is %v, error %v", got, err)
	}
}

// TestEntryErrors: what makes the reference refuse an image.
func TestEntryErrors(t *testing.T) {
	loader := dir("/boot", "/boot/d", "/boot/loader", "/boot/loader/entries")
	entry := func(text string) string { return loader + file("/boot/loader/entries/a.conf", text) }
	for says, lines := range map[string]string{
		`a.conf": "/boot/d": "d" is not a regular file`:     entry("linux /boot/d\n"),
		`a.conf": "/boot/no": "no" does not exist`:          entry("efi /boot/no\n"),
		`a.conf": "/boot/no/x": "no" does not exist`:        entry("initrd /boot/no/x\n"),
		`a.conf": "/s/x": "s" is not a directory`:           entry("initrd /s/x\n") + symlink("/s"),
		`a.conf": "/boot/../f": is not a file path`:         entry("initrd /boot/../f\n") + file("/f", ""),
		`a.conf": "./f": is not a file path`:                entry("initrd ./f\n") + file("/f", ""),
		`a.conf": "/f\r": "f\r" does not exist`:             entry("linux /f\r\n") + file("/f", ""),
		`a.conf": "": is not a file path`:                   entry("linux \n"),
		`a.conf": "/": is not a file path`:                  entry("linux /\n"),
		`a.conf": boot loader entry that is not UTF-8`:      entry("\xff"),
		`a.conf" is not a regular file`:                     loader + symlink("/boot/loader/entries/a.conf"),
		`/boot/loader/entries: "loader" is not a directory`: dir("/boot") + symlink("/boot/loader"),
		`/boot/EFI/Linux: "EFI" is not a directory`:         dir("/boot") + file("/boot/EFI", ""),
		`/boot/EFI/Linux/x/a.efi" is not a regular file`:    dir("/boot", "/boot/EFI", "/boot/EFI/Linux", "/boot/EFI/Linux/x") + symlink("/boot/EFI/Linux/x/a.efi"),
		`/boot/loader/addons/a.efi" is not a regular`:       dir("/boot", "/boot/loader", "/boot/loader/addons") + symlink("/boot/loader/addons/a.efi"),
		`/usr/lib/modules: "lib" is not a directory`:        dir("/usr") + symlink("/usr/lib"),
		`"/usr/lib/modules/6\xff": the name is not UTF-8`:   dir("/usr", "/usr/lib", "/usr/lib/modules", `/usr/lib/modules/6\xff`) + file(`/usr/lib/modules/6\xff/vmlinuz`, ""),
	} {
		if _, err := boot.Entries(parse(t, lines), inline); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %s", err, says)
		}
	}
	_, err := boot.Entries(parse(t, entry("linux /f\n")), func(*tree.Inode) (io.ReadCloser, error) { return nil, errDisk })
	if !errors.Is(err, errDisk) {
		t.Errorf("error %v, want %v", err, errDisk)
	}
	endless := func(*tree.Inode) (io.ReadCloser, error) { return os.Open("/dev/zero") }
	if _, err := boot.Entries(parse(t, entry("linux /f\n")), endless); !corrupt.Is(err) {
		t.Errorf("an endless entry: error %v", err)
	}
}

// TestEntryVectors: the images of the vectors, and those of which the reference says
// that an entry is broken.
func TestEntryVectors(t *testing.T) {
	cases(t, "images/*")
	for name, want := range map[string][]string{
		"images/base":        nil,
		"images/bootable-v1": {"uki /boot/EFI/Linux/test-6.1.0.efi", "kernel /usr/lib/modules/6.1.0/vmlinuz 6.1.0 with initramfs"},
		"images/bootable-v2": {"uki /boot/EFI/Linux/test-6.2.0.efi", "kernel /usr/lib/modules/6.2.0/vmlinuz 6.2.0 with initramfs"},
		"boot/15-no-policy":  nil,
	} {
		root, s := readTree(t, filepath.Join(vectors, name), verity.SHA512)
		got, err := boot.Entries(root, s.content)
		if err != nil || !slices.Equal(list(got), want) {
			t.Errorf("%s: got %q, error %v, want %q", name, list(got), err, want)
		}
	}
	for name, says := range map[string]string{
		"bls-missing-file": `"/boot/loader/entries/a.conf": "/boot/nope": "nope" does not exist`,
		"bls-dir-entry":    `"/boot/loader/entries/a.conf" is not a regular file`,
		"efi-symlink":      `"/boot/EFI/Linux/a.efi" is not a regular file`,
		"boot-not-dir":     `"boot" is not a directory`,
	} {
		root, s := readTree(t, filepath.Join(vectors, "boot/errors", name), verity.SHA512)
		if _, err := boot.Entries(root, s.content); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want one that says %s", name, err, says)
		}
	}
}

// TestSealedVector: the unified kernel image of the vectors names the boot image of the
// image that it is in.
func TestSealedVector(t *testing.T) {
	sealed := cases(t, "images/bootable-v1-sealed")[0]
	root, s := readTree(t, sealed, verity.SHA512)
	entries, err := boot.Entries(root, s.content)
	if err != nil || len(entries) != 2 || entries[0].Kind != boot.KindUKI {
		t.Fatalf("got %q, error %v", list(entries), err)
	}
	u, err := boot.ReadUKI(bytes.NewReader(s.objects[entries[0].File.Object]))
	if err != nil || u.Label != "Test OS 1.0" {
		t.Fatalf("got %+v, error %v", u, err)
	}
	k, err := boot.FindKarg(u.Cmdline, verity.SHA512)
	if err != nil || k.Format != 1 || k.Insecure {
		t.Fatalf("got %+v, error %v", k, err)
	}
	expected, err := os.ReadFile(filepath.Join(sealed, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, boot, _ := strings.Cut(string(expected), `"boot"`); !strings.Contains(boot, `"`+k.ID.String()+`"`) {
		t.Errorf("the command line names %s, which is none of %s", k.ID, boot)
	}
}
