package bootable_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/lib/boot"
	"cfs/lib/bootable"
	"cfs/lib/build"
	"cfs/lib/internal/repotest"
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// makeUKI returns an EFI executable with a command line, and with the name of a system, if
// that is not empty. The offsets are those of the PE format.
func makeUKI(name, cmdline string) string {
	const headers, header = 0x40, 24
	le := binary.LittleEndian
	sections := [][2]string{{".cmdline", cmdline}, {".osrel", name}}
	head := append([]byte("MZ"), make([]byte, headers-2)...)
	le.PutUint32(head[0x3c:], headers)
	head = append(head, "PE\x00\x00\x64\x86\x02\x00"...)
	head = append(head, make([]byte, header-len("PE\x00\x00\x64\x86\x02\x00"))...)
	at := len(head) + 40*len(sections)
	var body bytes.Buffer
	for _, s := range sections {
		head = append(head, (s[0] + "\x00\x00")[:8]...)
		for _, field := range []int{len(s[1]), 0x1000, len(s[1]), at + body.Len(), 0, 0, 0, 0} {
			head = le.AppendUint32(head, uint32(field))
		}
		body.WriteString(s[1])
	}
	return string(head) + body.String()
}

// base are the files of an image that boots, but for the kernel.
func base(more ...repotest.Member) []repotest.Member {
	return append([]repotest.Member{
		repotest.Dir("usr"), repotest.File("usr/a", "a"), repotest.Dir("sysroot"), repotest.Dir("boot"), repotest.Dir("boot/EFI"), repotest.Dir("boot/EFI/Linux"),
		repotest.Dir("boot/loader"), repotest.Dir("boot/loader/entries"), repotest.Dir("usr/lib"), repotest.Dir("usr/lib/modules"),
	}, more...)
}

// pull pulls an image, with its boot images in formats.
func pull(t *testing.T, r *repo.Repo, tag string, members []repotest.Member, boots ...variant.Variant) *oci.Image {
	t.Helper()
	l := repotest.Image{Layers: []repotest.Layer{repotest.AddLayer(t, r, members...)}}.Link(t)
	repotest.AddEROFS(t, r, l, r.Formats[0])
	repotest.Write(t, r, l)
	must(t, oci.SetTag(r, tag, l.Digest))
	for _, v := range boots {
		recipe, _, err := build.Input{Repo: r, Formats: []variant.Format{v.Format}}.Container(tag, build.Wanted{Bootable: true, Xattrs: v.Xattrs})
		must(t, err)
		l.Images[v], err = recipe.Store(r, "")
		must(t, err)
	}
	return repotest.Write(t, r, l)
}

// entries returns what is said of the entries of an image.
func entries(t *testing.T, r *repo.Repo, operand string) (list []bootable.Entry) {
	t.Helper()
	for e, err := range (bootable.Lister{Repo: r, RepoOption: "--user "}).Entries(operand) {
		must(t, err)
		list = append(list, e)
	}
	return list
}

var (
	boot1     = variant.Variant{Boot: true, Format: variant.V1}
	boot2     = variant.Variant{Boot: true, Format: variant.V2}
	boot1User = variant.Variant{Boot: true, Format: variant.V1, Xattrs: variant.KeepUserXattrs}
)

// TestEntries: what is said of an entry of each kind. What is in /boot is not in the boot
// images, so it can name them.
func TestEntries(t *testing.T) {
	repotest.EachAlgorithm(t, func(t *testing.T, a verity.Algorithm) {
		r := repotest.New(t, a)
		first := pull(t, r, "first", base(), boot1, boot2, boot1User).Config.Images
		plain, id1, id2 := first[variant.Variant{Format: variant.V1}.Key()], first[boot1.Key()], first[boot2.Key()]
		unknown := strings.Repeat("12", a.Size())
		members := base(
			repotest.File("boot/loader/entries/0.conf", "title a\x1b\nlinux /usr/a\noptions "+boot.Karg{Format: variant.V2, ID: id2}.String()+"\n"),
			repotest.File("boot/loader/entries/1.conf", "options "+bootable.KargOf(variant.V1, plain).String()+"\n"),
			repotest.File("boot/loader/entries/2.conf", "options composefs="+unknown+"\n"),
			repotest.File("boot/loader/entries/3.conf", "options composefs=zz\n"),
			repotest.File("boot/EFI/Linux/a.efi", makeUKI("PRETTY_NAME=Test\n", bootable.KargOf(variant.V0, id1).String())),
			repotest.File("boot/EFI/Linux/b.efi", makeUKI("", "quiet")),
			repotest.File("boot/EFI/Linux/c.addon.efi", ""),
			repotest.Dir("usr/lib/modules/1 x"), repotest.File("usr/lib/modules/1 x/vmlinuz", "x"), repotest.File("usr/lib/modules/1 x/initramfs.img", "x"),
			repotest.Dir("usr/lib/modules/2"), repotest.File("usr/lib/modules/2/vmlinuz", "x"),
		)
		pull(t, r, "sealed", members)
		for _, e := range entries(t, r, "sealed")[:3] {
			if e.Make != bootable.Make || e.Explain != "" || e.BootImage != "" {
				t.Errorf("without a boot image: %+v", e)
			}
		}
		// It has other files outside of /boot, so its boot images are not those of above.
		own := pull(t, r, "sealed", members, boot1, boot2).Config.Images
		own1, own2 := own[boot1.Key()], own[boot2.Key()]
		explain := func(mine, other string) string { return "cfs-mkerofs diff --user " + mine + " " + other }
		want := []bootable.Entry{
			{Kind: "bls", Path: "/boot/loader/entries/0.conf", Title: "a\x1b", Files: []string{"/usr/a"}, Cmdline: "composefs=" + id2.String(), Digest: id2.String(), Explain: explain(own2.String(), id2.String())},
			{Kind: "bls", Path: "/boot/loader/entries/1.conf", Cmdline: bootable.KargOf(variant.V1, plain).String(), Digest: plain.String(), Explain: explain(own1.String(), plain.String())},
			{Kind: "bls", Path: "/boot/loader/entries/2.conf", Cmdline: "composefs=" + unknown, Digest: unknown, Explain: explain(own2.String(), "FILE")},
			{Kind: "bls", Path: "/boot/loader/entries/3.conf", Cmdline: "composefs=zz", Problem: `kernel argument "composefs=zz": "zz" is not an fs-verity digest: want 64 or 128 hex digits`},
			{Kind: "uki", Path: "/boot/EFI/Linux/a.efi", Title: "Test", Cmdline: bootable.KargOf(variant.V1, id1).String(), Digest: id1.String(), Explain: explain(own1.String(), id1.String())},
			{Kind: "uki", Path: "/boot/EFI/Linux/b.efi", Cmdline: "quiet", Problem: "the command line names no image"},
			{Kind: "addon", Path: "/boot/EFI/Linux/c.addon.efi", Problem: "not an EFI executable: it ends before byte 64"},
			{Kind: "kernel", Path: "/usr/lib/modules/1 x/vmlinuz", Version: "1 x", Files: []string{"/usr/lib/modules/1 x/initramfs.img"}},
			{Kind: "kernel", Path: "/usr/lib/modules/2/vmlinuz", Version: "2", Problem: "no initramfs.img next to it"},
		}
		if diff := cmp.Diff(want, entries(t, r, "sealed")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// An entry that names the boot image, in either format.
		sealed := base(repotest.File("boot/EFI/Linux/a.efi", makeUKI("", bootable.KargOf(variant.V1, id1).String())),
			repotest.File("boot/loader/entries/0.conf", "options composefs="+id2.String()+"\n"))
		pull(t, r, "again", sealed, boot1User, boot1, boot2)
		got := entries(t, r, "again")
		if got[0].BootImage != boot2.Key() || got[1].BootImage != boot1.Key() || got[0].Explain+got[1].Explain != "" {
			t.Errorf("boot images of its own: %+v", got)
		}
	})
}

// TestString: an entry for people, and as JSON.
func TestString(t *testing.T) {
	for want, e := range map[string]bootable.Entry{
		"bls /a\n  title \"T\\x1b\"\n  file \"/f\"\n  cmdline \"c\"\n  digest 12 is the boot image, key\n":     {Kind: "bls", Path: "/a", Title: "T\x1b", Files: []string{"/f"}, Cmdline: "c", Digest: "12", BootImage: "key"},
		"uki /a\n  digest 12 is not known: there is no boot image. To make one: do this\n":                     {Kind: "uki", Path: "/a", Digest: "12", Make: "do this"},
		"uki /a\n  digest 12 is not the boot image: diff 3 12\n":                                               {Kind: "uki", Path: "/a", Digest: "12", Explain: "diff 3 12"},
		"uki /a\n  digest 12 is not the boot image, and not in the repository. With it as FILE: diff 3 FILE\n": {Kind: "uki", Path: "/a", Digest: "12", Explain: "diff 3 FILE"},
		"kernel /a\n  problem none\n": {Kind: "kernel", Path: "/a", Version: "1", Problem: "none"},
	} {
		if got := e.String(); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
	var text strings.Builder
	err := bootable.Entry{Kind: "uki", Path: "/a b", Title: "\xff", BootImage: "key"}.WriteJSON(&text)
	if want := `{"v":2,"kind":"uki","path":"/a b","title":{"bytes":"/w=="},"boot-image":"key"}` + "\n"; err != nil || text.String() != want {
		t.Errorf("%s, %v", text.String(), err)
	}
}

// TestEntriesNot: an error is the last that comes, and says of what.
func TestEntriesNot(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	uki := makeUKI("", strings.Repeat("quiet ", 20))
	lost := repotest.AddLayer(t, r, repotest.Dir("usr"))
	repotest.Pull(t, r, "lost", repotest.Image{Layers: []repotest.Layer{lost}})
	repotest.Lose(t, r, lost.Stream)
	pull(t, r, "broken", base(repotest.File("boot/loader/entries/0.conf", "linux /none\n")))
	pull(t, r, "damaged", base(repotest.File("boot/loader/entries/0.conf", ""), repotest.File("boot/EFI/Linux/a.efi", uki), repotest.File("boot/EFI/Linux/b.efi", uki)))
	repotest.Flip(t, r, verity.SHA256.Sum([]byte(uki)), 3)
	for operand, want := range map[string]struct {
		count int
		says  string
	}{
		"none": {0, `tag "none": no such tag`}, "broken": {0, `broken: "/boot/loader/entries/0.conf": "/none"`}, "damaged": {1, `damaged: "/boot/EFI/Linux/a.efi": `},
		"lost": {0, "layer " + lost.DiffID.String() + ": "},
	} {
		count, last := 0, error(nil)
		for _, err := range (bootable.Lister{Repo: r}).Entries(operand) {
			if last != nil {
				t.Errorf("%s: more comes behind the error", operand)
			}
			if last = err; err == nil {
				count++
			}
		}
		if count != want.count || last == nil || !strings.HasPrefix(last.Error(), want.says) {
			t.Errorf("%s: %d entries, then %v", operand, count, last)
		}
	}
	for range (bootable.Lister{Repo: r}).Entries("damaged") {
		break // who has enough reads no further
	}
}

// TestKarg: the argument of each boot image, and of an EROFS image by its digest.
func TestKarg(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	images := pull(t, r, "t", base(), boot1, boot2).Config.Images
	pull(t, r, "plain", base(repotest.File("usr/b", "b")))
	repotest.Pull(t, r, "artifact", repotest.Image{Layers: []repotest.Layer{repotest.AddBlob(t, r, "x")}, Artifact: true})
	plain, id1, id2 := images[variant.Variant{Format: variant.V1}.Key()], images[boot1.Key()].String(), images[boot2.Key()].String()
	for _, c := range []struct {
		operand string
		v       variant.Variant
		want    string
	}{
		{"t", boot1, "composefs.digest=?v1-sha256-12:" + id1}, {"t", variant.Variant{Boot: true, Format: variant.V0}, "composefs.digest=?v1-sha256-12:" + id1},
		{"t", boot2, "composefs=?" + id2}, {id2, boot1, "composefs=?" + id2}, {plain.String(), boot2, "composefs.digest=?v1-sha256-12:" + plain.String()},
	} {
		found, err := lookup.Find(r, c.operand)
		must(t, err)
		if k, err := bootable.Karg(r, found, c.v); err != nil || k.String() != c.want {
			t.Errorf("%s, %+v: %s, %v", c.operand, c.v, k, err)
		}
	}
	found, err := lookup.Find(r, "t")
	must(t, err)
	r.Secure = true // as if it had fs-verity, which is not asked for here
	if k, err := bootable.Karg(r, found, boot1); err != nil || k.Insecure {
		t.Errorf("%s, %v", k, err)
	}
	r.Secure = false
	for _, c := range []struct {
		operand string
		is      error
		says    string
	}{
		{"plain", fs.ErrNotExist, "plain has no boot image of format 1 with the xattrs keep-user-xattrs"},
		{"artifact", oci.ErrArtifact, "artifact is an artifact"}, {strings.Repeat("12", 32), fs.ErrNotExist, "EROFS image: "},
	} {
		found, err := lookup.Find(r, c.operand)
		must(t, err)
		if _, err := bootable.Karg(r, found, boot1User); !errors.Is(err, c.is) || !strings.HasPrefix(err.Error(), c.says) {
			t.Errorf("%s: %v", c.operand, err)
		}
	}
}
