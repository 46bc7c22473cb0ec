package imagetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"path"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/dumpfile"
	"cfs/lib/tree"
)

// The layers of the images that boot, as dumpfiles parted by empty lines: what the
// reference's own tests build. KERNEL is its version, NUMBER that of the image. Parent
// directories need no lines. A file without content or digest is a large one, whose
// content its size tells.
const (
	baseLayers = `
/etc 0 40755 2 0 0 0 0.0 - - -
/tmp 0 40755 2 0 0 0 0.0 - - -
/usr/bin 0 40755 2 0 0 0 0.0 - - -
/usr/lib 0 40755 2 0 0 0 0.0 - - -
/usr/share 0 40755 2 0 0 0 0.0 - - -
/var 0 40755 2 0 0 0 0.0 - - -

/usr/bin/busybox 4096 100755 1 0 0 0 0.0 - - -
/usr/bin/sh 7 120777 1 0 0 0 0.0 busybox - -

/usr/bin/cat 7 120777 1 0 0 0 0.0 busybox - -
/usr/bin/cp 7 120777 1 0 0 0 0.0 busybox - -
/usr/bin/ls 7 120777 1 0 0 0 0.0 busybox - -
/usr/bin/mv 7 120777 1 0 0 0 0.0 busybox - -
/usr/bin/ping 7 120777 1 0 0 0 0.0 busybox - - security.capability=\x02\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00
/usr/bin/rm 7 120777 1 0 0 0 0.0 busybox - -

/etc/hostname 9 100644 1 0 0 0 0.0 - test-host -
/etc/os-release 23 100644 1 0 0 0 0.0 - ID=test\nVERSION_ID=1.0\n -
/etc/passwd 100 100644 1 0 0 0 0.0 - - -

/usr/share/doc/README 512 100644 1 0 0 0 0.0 - - -
/var/data/app.json 256 100644 1 0 0 0 0.0 - - -
`
	bootLayers = `
/boot/EFI/Linux 0 40755 2 0 0 0 0.0 - - -
/sysroot 0 40755 2 0 0 0 0.0 - - -

/usr/lib/modules/6.1.0 0 40755 2 0 0 0 0.0 - - -

/usr/lib/modules/KERNEL/vmlinuz 26 100755 1 0 0 0 0.0 - fake-kernel-KERNEL-image-vNUMBER -

/usr/lib/modules/KERNEL/initramfs.img 23 100644 1 0 0 0 0.0 - fake-initramfs-KERNEL-vNUMBER -

/usr/lib/modules/KERNEL/modules.alias 16 100644 1 0 0 0 0.0 - kmod-aliases-vNUMBER\n -
/usr/lib/modules/KERNEL/modules.dep 13 100644 1 0 0 0 0.0 - kmod-deps-vNUMBER\n -

/boot/EFI/Linux/test-KERNEL.efi UKI -

/usr/lib/systemd/system/multi-user.target 0 100644 1 0 0 0 0.0 - - -

/sysroot/.ostree-root 0 100644 1 0 0 0 0.0 - - -

/usr/lib/libc.so.6 8192 100644 1 0 0 0 0.0 - - -
/usr/lib/libm.so.6 4096 100644 1 0 0 0 0.0 - - -

/usr/lib/libdl.so.2 2048 100644 1 0 0 0 0.0 - - -
/usr/lib/libpthread.so.0 4096 100644 1 0 0 0 0.0 - - -

/usr/share/locale/en_US/LC_MESSAGES/messages 11 100644 1 0 0 0 0.0 - fake-locale -

/usr/share/doc/readme.txt 21 100644 1 0 0 0 0.0 - documentation-content -

/etc/nsswitch.conf 25 100644 1 0 0 0 0.0 - passwd:files\ngroup:files\n -
/etc/resolv.conf 22 100644 1 0 0 0 0.0 - nameserver\x20127.0.0.53\n -

/usr/share/zoneinfo/UTC 12 100644 1 0 0 0 0.0 - fake-tz-data -

/var/log/.keepdir 0 100644 1 0 0 0 0.0 - - -
`
)

// BaseLayers returns the five layers of an image that does not boot.
func BaseLayers(t testing.TB) [][]byte { return DumpLayers(t, baseLayers) }

// BootableLayers returns the 20 layers of the first or the second version of an image
// that boots; they share 16. The unified kernel image in it is uki, if that is not empty.
func BootableLayers(t testing.TB, n int, uki string) [][]byte {
	t.Helper()
	kernel := fmt.Sprintf("6.%d.0", n)
	if uki == "" {
		uki = fmt.Sprintf("MZ-fake-uki-%s-v%d", kernel, n)
	}
	fill := strings.NewReplacer("KERNEL", kernel, "NUMBER", fmt.Sprint(n),
		"UKI", fmt.Sprintf("%d 100755 1 0 0 0 0.0 - %s", len(uki), dumpfile.Escape(uki)))
	return append(BaseLayers(t), DumpLayers(t, fill.Replace(bootLayers))...)
}

// DumpLayers makes the tar of each layer of dumpfiles that empty lines part.
func DumpLayers(t testing.TB, dumps string) (layers [][]byte) {
	t.Helper()
	for _, dump := range strings.Split(strings.Trim(dumps, "\n"), "\n\n") {
		layers = append(layers, Tar(t, membersOf(t, dump)...))
	}
	return layers
}

// membersOf returns what a dumpfile without its directories describes, in its order.
func membersOf(t testing.TB, dump string) (members []Member) {
	t.Helper()
	const directory = " 0 40755 2 0 0 0 0.0 - - -\n"
	text, there := "/"+directory, map[string]bool{"/": true}
	for line := range strings.Lines(dump + "\n") {
		name, _, _ := strings.Cut(line, " ")
		var missing string
		for parent := path.Dir(name); !there[parent]; parent = path.Dir(parent) {
			missing, there[parent] = parent+directory+missing, true
		}
		text, there[name] = text+missing+line, true
	}
	root, err := dumpfile.Read(strings.NewReader(text), dumpfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range tree.Walk(root) {
		if n != root {
			members = append(members, memberOf(t, name[1:], n))
		}
	}
	return members
}

func memberOf(t testing.TB, name string, n *tree.Inode) Member {
	t.Helper()
	m := Member{tar.Header{Name: name, Mode: int64(n.Mode & 0o7777), Linkname: n.Target}, n.Inline}
	switch n.Type() {
	case unix.S_IFDIR:
		m.Typeflag, m.Name = tar.TypeDir, name+"/"
	case unix.S_IFLNK:
		m.Typeflag = tar.TypeSymlink
	case unix.S_IFREG:
		m.Typeflag = tar.TypeReg
		if m.Content == "" {
			m.Content = bySize(int(n.Size))
		}
	default:
		t.Fatalf("%s: mode %o", name, n.Mode)
	}
	for _, x := range n.Xattrs {
		m.PAXRecords = map[string]string{"SCHILY.xattr." + x.Name: x.Value}
	}
	return m
}

// bySize returns the content of a large file: that of the vectors, which comes from
// SHA-256 in counter mode. Files of one size are one object.
func bySize(size int) string {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "composefs-test-file-%d:%d", size, i))
		b.Write(sum[:])
	}
	return b.String()[:size]
}
