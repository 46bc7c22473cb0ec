package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// bootVM is a virtual machine whose root file system is an image v1 or v2, made by our tools.
type bootVM struct {
	*testing.T
	script, tools, work string
}

// newBootVM skips the test where there can be none.
func newBootVM(t *testing.T) bootVM {
	t.Helper()
	vm := bootVM{t, cmdtest.Root(t) + "/scripts/boot-vm", cmdtest.Tools(t), cmdtest.Scratch(t)}
	if r := shell(t, "", "XDG_CACHE_HOME=${XDG_CACHE_HOME:-"+os.TempDir()+"} "+vm.script+" --stop prepare"); r.Status != 0 {
		t.Skip("SKIPPED: no machine to boot: ", r.Stderr)
	}
	return vm
}

// boot boots the machine, and runs sh code in it as root, with our tools; without code it is
// the self-test of boot-vm.
func (vm bootVM) boot(options, code string) result {
	vm.Helper()
	command := ""
	if code != "" {
		command = " -- sh -ec " + cmdtest.Quote("export PATH=/run/test/share/tools:$PATH COMPOSEFS_REPO=/sysroot/composefs\n"+code)
	}
	share := vm.work + "/share"
	must(vm.T, "", "mkdir -p "+share+" && cp -ru "+vm.tools+" "+share+"/tools")
	return shell(vm.T, "", fmt.Sprintf("XDG_CACHE_HOME=${XDG_CACHE_HOME:-%s} %s --tools %s --work %s --share %s %s%s", os.TempDir(), vm.script, vm.tools, vm.work, share, options, command))
}

// works is boot for what has to succeed; it returns what was printed.
func (vm bootVM) works(options, code string) string {
	vm.Helper()
	r := vm.boot(options, code)
	if r.Status != 0 {
		vm.Fatalf("%s: exit status %d\n%s%s", options, r.Status, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// digest returns the boot image of a version.
func (vm bootVM) digest(version string) string {
	vm.Helper()
	karg, err := os.ReadFile(vm.work + "/karg." + version)
	if err != nil {
		vm.Fatal(err)
	}
	line := strings.TrimSpace(string(karg))
	return line[strings.LastIndexByte(line, ':')+1:]
}

// rootStart is where the root partition begins on the disk of boot-vm, in bytes.
const rootStart = (1 + 96) << 20

// flip changes a byte of a file of the root partition, below its file system.
func (vm bootVM) flip(name string, at int) {
	vm.Helper()
	out := must(vm.T, "", fmt.Sprintf("PATH=$PATH:/usr/sbin:/sbin; debugfs -R 'blocks %s' '%s/disk?offset=%d' 2>/dev/null", name, vm.work, rootStart))
	var block int64
	if _, err := fmt.Sscan(out, &block); err != nil {
		vm.Fatalf("blocks of %s: %q", name, out)
	}
	f, err := os.OpenFile(vm.work+"/disk", os.O_RDWR, 0)
	if err != nil {
		vm.Fatal(err)
	}
	defer f.Close()
	where := rootStart + block*4096 + int64(at)
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, where); err != nil {
		vm.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, where); err != nil {
		vm.Fatal(err)
	}
}

// TestBoot boots images that boot-install has installed, in all three ways: an update is booted,
// rolled back, the old one removed and collected. What is damaged is not booted, or not read.
func TestBoot(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	vm := newBootVM(t)

	if out := vm.works("--mode uki --default ''", ""); !strings.Contains(out, "version v2,") {
		t.Errorf("the newest version is not booted:\n%s", out)
	}
	v1, v2 := vm.digest("v1"), vm.digest("v2")
	if out := vm.works("--mode bls --entry v1", rolledBack); !strings.Contains(out, "booted v1\nsource composefs:"+v1+"\n") {
		t.Errorf("rolled back:\n%s", out)
	}
	out := vm.works("--entry v2", fullPartition+removeOld)
	if strings.Contains(out, v1) || !strings.Contains(out, v2) {
		t.Errorf("v1 is still there:\n%s", out)
	}
	object := strings.TrimSpace(out[strings.LastIndexByte(strings.TrimSpace(out), '\n')+1:])
	vm.flip("/composefs/objects/"+object, 5000)
	vm.works("--mode bls --default ''", bootedLast)
	vm.flip("/composefs/objects/"+v2[:2]+"/"+v2[2:], 1030)
	if r := vm.boot("--entry v2", "true"); r.Status != 125 || !strings.Contains(r.Stderr, "cannot mount the image "+v2) {
		t.Errorf("a damaged image is booted: %+v", r)
	}
	os.RemoveAll(filepath.Join(vm.work, "share"))
}

// TestBootKills kills installations on the vfat of the partition, and boots what they have left.
// systemd-boot counts the tries of a new entry, and that does not make it another one.
func TestBootKills(t *testing.T) {
	if !cmdtest.Long() {
		t.Skip("only in a long test")
	}
	vm := newBootVM(t)
	vm.works("--timeout 3600", "kills=50\n"+killInstalls)
	vm.works("--mode uki --default 't+*'", countedTry)
	vm.works("--mode uki --default ''", "")
}

// TestBootDebian boots a Debian with systemd, in all three ways.
func TestBootDebian(t *testing.T) {
	if !cmdtest.Long() {
		t.Skip("only in a long test")
	}
	if r := shell(t, "", "command -v mmdebstrap"); r.Status != 0 || os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root and mmdebstrap, to make a Debian")
	}
	vm := newBootVM(t)
	root := cmdtest.Scratch(t) + "/root"
	must(t, "", "mmdebstrap --quiet --variant=minbase --include=systemd-sysv,dbus bookworm "+root)
	for _, mode := range []string{"direct", "bls", "uki"} {
		out := vm.works("--rootfs "+root+" --timeout 900 --entry v2 --mode "+mode, systemdRuns)
		if want := "systemd\ncomposefs:" + vm.digest("v2") + "\n"; !strings.HasSuffix(out, want) {
			t.Errorf("%s: %s\nwant %s", mode, out, want)
		}
	}
}

// TestBootInitramfs boots with the initramfs that dracut and initramfs-tools make with our hooks.
func TestBootInitramfs(t *testing.T) {
	if !cmdtest.Long() {
		t.Skip("only in a long test")
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root, to mount over /lib/modules")
	}
	vm := newBootVM(t)
	must(t, "", "mkdir -p "+vm.work+"/prefix/bin "+vm.work+"/prefix/lib/cfs && cp "+vm.tools+"/cfs-mount "+vm.work+"/prefix/bin && "+
		"cp -r "+filepath.Dir(vm.script)+"/cfs-setup-root "+filepath.Dir(vm.script)+"/initramfs/. "+vm.work+"/prefix/lib/cfs")
	for program, code := range map[string]string{"dracut": dracut, "mkinitramfs": initramfsTools} {
		if r := shell(t, "", "command -v "+program); r.Status != 0 {
			t.Logf("SKIPPED: no %s", program)
			continue
		}
		image := vm.work + "/" + program + ".img"
		must(t, "", "IMAGE="+image+" CACHE=${XDG_CACHE_HOME:-"+os.TempDir()+"}/boot-vm CFS_LIB="+vm.work+"/prefix/lib/cfs unshare -m --propagation private sh -ec "+cmdtest.Quote(kernelFiles+code))
		vm.works("--initrd "+image, "")
	}
}

const (
	// systemdRuns shows that systemd has started from the image, that no unit has failed, and
	// that /etc and /var take what is written.
	systemdRuns = `
cat /proc/1/comm
findmnt -n -o SOURCE /
test -z "$(systemctl --failed --no-legend --plain)"
touch /etc/written /var/written
! touch /usr/written 2>/dev/null
`

	// kernelFiles puts the kernel of boot-vm where the programs look for it.
	kernelFiles = `
kernel=$(cat $CACHE/kver)
mkdir -p /lib/modules /boot
mount -t tmpfs tmpfs /lib/modules
mount -t tmpfs tmpfs /boot
cp -a $CACHE/modules /lib/modules/$kernel
depmod $kernel
echo CONFIG_RD_GZIP=y >/boot/config-$kernel
`
	dracut = `
mkdir /boot/m /boot/m/upper /boot/m/work
mount -t overlay -o lowerdir=/usr/lib/dracut/modules.d,upperdir=/boot/m/upper,workdir=/boot/m/work overlay /usr/lib/dracut/modules.d
cp -r $CFS_LIB/dracut /usr/lib/dracut/modules.d/90cfs
dracut --force --no-hostonly --add cfs --add-drivers "virtio_blk virtio_pci ext4" --omit "network plymouth" --gzip --kver $kernel $IMAGE >$IMAGE.log 2>&1 || { cat $IMAGE.log >&2; exit 1; }
`
	initramfsTools = `
cp -r /etc/initramfs-tools /boot/conf
mkdir -p /boot/conf/hooks /boot/conf/scripts/init-bottom
cp $CFS_LIB/initramfs-tools/hook /boot/conf/hooks/cfs
cp $CFS_LIB/initramfs-tools/init-bottom /boot/conf/scripts/init-bottom/cfs
sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=gzip/' /boot/conf/initramfs.conf
printf 'virtio_blk\nvirtio_pci\next4\n' >/boot/conf/modules
mkinitramfs -d /boot/conf -o $IMAGE $kernel
`
)

const (
	// rolledBack: what is booted has the digest of the kernel line; an image without fs-verity is
	// mounted with --insecure alone.
	rolledBack = `
echo booted $(cat /usr/lib/boot-vm-version)
echo source $(sed -n 's|^\([^ ]*\) / .*verity=require.*|\1|p' /proc/mounts)
id=$(sed 's/.*composefs.digest=[^:]*:\([0-9a-f]*\).*/\1/' /proc/cmdline)
f=$(readlink -f /sysroot/composefs/images/$id)
[ "$(cfs-mkerofs measure $f)" = $id ]
mkdir /run/m
cfs-mount --insecure $id /run/m && grep ' /run/m .*verity=require' /proc/mounts >/dev/null && umount /run/m
mv $f $f.kept && cp $f.kept $f
! cfs-mount $id /run/m 2>/dev/null
cfs-mount --insecure $id /run/m && ! grep ' /run/m .*verity=require' /proc/mounts && umount /run/m
mv $f.kept $f
`
	esp = `mkdir -p /run/esp && mount -t vfat $(findfs LABEL=ESP) /run/esp
`
	// fullPartition: a vfat without room is left as it is, and names that it folds are one.
	fullPartition = esp + `
listed() { find /run/esp ! -name fill | sort | xargs ls -ldn; }
dd if=/dev/zero of=/run/esp/fill bs=1M >/dev/null 2>&1 || true
listed >/run/before
if cfs-link boot-install --bootdir /run/esp --state none --entry-id full v2 2>/run/says; then exit 1; fi
grep -q 'bytes are needed' /run/says
listed | cmp - /run/before
rm /run/esp/fill
cfs-link boot-install --bootdir /run/esp --state none --entry-id BOOT-vm-v2 v2 | grep -q 'id=boot-vm-v2 '
[ $(ls /run/esp/EFI/Linux | wc -l) = 2 ]
umount /run/esp
`
	// killInstalls kills one installation after the other; an entry that is there is whole.
	killInstalls = esp + `
install() { cfs-link boot-install --bootdir /run/esp --state none "$@" v2; }
for i in $(seq $kills); do
	install --entry-id k >/dev/null 2>&1 &
	usleep $((i * 1500000 / kills))
	kill -9 $! 2>/dev/null || true
	wait $! 2>/dev/null || true
	if cfs-link boot-list --bootdir /run/esp | grep ' entry=.* problem='; then exit 1; fi
	[ $((i % 2)) = 0 ] || continue
	install --entry-id k >/dev/null
	cfs-link boot-list --check --bootdir /run/esp >/dev/null
	cfs-link boot-remove --force --bootdir /run/esp k
done
cfs-link boot-remove --force --bootdir /run/esp k 2>/dev/null || true
install --entry-id t --tries 3 >/dev/null
cfs-link boot-list --check --bootdir /run/esp >/dev/null
umount /run/esp
`
	// countedTry: the loader has renamed the entry; installing it again leaves it so.
	countedTry = esp + `
[ -e /run/esp/EFI/Linux/t+2-1.efi ]
cfs-link boot-install --bootdir /run/esp --state none --entry-id t --tries 3 v2 | grep -q 'entry=EFI/Linux/t%2B2-1.efi\|entry=EFI/Linux/t+2-1.efi'
[ "$(ls /run/esp/EFI/Linux | grep -c ^t)" = 1 ]
umount /run/esp
`
	// removeOld: what is booted cannot be removed; v1 goes with its entries.
	removeOld = esp + `
cfs-link boot-list --check --bootdir /run/esp >/dev/null
! cfs-link boot-remove --bootdir /run/esp boot-vm-v2 2>/dev/null
cfs-link untag v1
cfs-gc --keep 0 >/dev/null
cfs-link boot-list --check --bootdir /run/esp >/dev/null
cfs-link boot-remove --bootdir /run/esp --state boot-vm-v1 bls-v1
cfs-gc --keep 0 --bootdir /run/esp >/dev/null
cfs-gc check >/dev/null
cfs-link boot-list --check --bootdir /run/esp
ls /run/esp/loader/entries /run/esp/EFI/Linux /sysroot/composefs/images /sysroot/state/deploy
umount /run/esp
cfs-mkerofs dump $(sed 's/.*composefs.digest=[^:]*:\([0-9a-f]*\).*/\1/' /proc/cmdline) | awk '$1 == "/usr/share/boot-vm-data" { print $9 }'
`
	// bootedLast: v2 is booted, from what is left, and a file of it with a byte that has changed is
	// read as far as it has not.
	bootedLast = esp + `
[ "$(cat /usr/lib/boot-vm-version)" = v2 ]
grep -q booted=1 <<END
$(cfs-link boot-list --check --bootdir /run/esp)
END
[ "$(ls /run/esp/loader/entries /run/esp/EFI/Linux | grep -c v1)" = 0 ]
umount /run/esp
[ "$(dd if=/usr/share/boot-vm-data bs=4096 count=1 2>/dev/null | wc -c)" = 4096 ]
if cat /usr/share/boot-vm-data >/dev/null 2>&1; then exit 1; fi
`
)
