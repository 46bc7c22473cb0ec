package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

const stub = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"

// TestBootMakefile: what boot.mk makes is sealed, on the disk, and made again only as far as
// something has changed.
func TestBootMakefile(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	y := newYard(t)
	for _, program := range []string{"objcopy", "mformat", "mcopy"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("SKIPPED: ", err)
		}
	}
	if _, err := os.Stat(stub); err != nil {
		t.Skip("SKIPPED: no systemd-boot-efi: ", err)
	}
	makefile, err := filepath.Abs("boot.mk")
	if err != nil {
		t.Fatal(err)
	}
	build := func() string {
		t.Helper()
		y.run("make -f '" + makefile + "' KERNEL=kernel INITRD=initrd CMDLINE='root=LABEL=root rw'")
		return y.run("stat -c '%n %i %Y' out/cmdline out/uki.efi out/layers/*.layer out/entry out/esp.img")
	}
	y.run("mkdir -p layers tree/boot tree/sysroot tree/etc tree/var tree/usr/lib && echo ID=x >tree/usr/lib/os-release && echo kernel >kernel && echo initrd >initrd && " +
		"tar cf layers/1.tar -C tree . && echo more >more && tar cf layers/2.tar more")
	first := build()
	y.run("export COMPOSEFS_REPO=out/repo; cfs-mkerofs boot-entries --check system && cfs-link boot-list --check --bootdir out/esp")
	y.run("mcopy -i out/esp.img ::/EFI/Linux/system.efi copy && cmp copy out/esp/EFI/Linux/system.efi && cmp copy out/uki.efi")
	if karg, uki := y.run("COMPOSEFS_REPO=out/repo cfs-mkerofs karg --require-verity system"), y.run("cat out/uki.efi"); !strings.Contains(uki, strings.TrimSpace(karg)+" root=LABEL=root rw") {
		t.Errorf("the UKI does not have %s", karg)
	}
	if again := build(); again != first {
		t.Errorf("again\n%s\nafter\n%s", again, first)
	}
	y.run("sleep 1; touch layers/2.tar") // the same layer
	if uki := y.run("ls -i out/uki.efi"); build() == first || y.run("ls -i out/uki.efi") != uki {
		t.Error("the same layers have made another UKI, or were not looked at")
	}
	y.run("sleep 1; echo other >more; tar cf layers/2.tar more")
	old := y.run("cat out/cmdline")
	if build(); y.run("cat out/cmdline") == old {
		t.Error("the digest of another image is the same")
	}
	y.run("export COMPOSEFS_REPO=out/repo; cfs-mkerofs boot-entries --check system && cfs-link boot-list --check --bootdir out/esp")
}
