package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// rootDisk makes what a root disk has for cfs-setup-root: a repository, and the state that
// boot-install makes. It returns its folder and the kernel argument.
func rootDisk(t *testing.T, options string) (disk, karg string) {
	t.Helper()
	disk = cmdtest.Scratch(t)
	repo := disk + "/composefs"
	layer := imagetest.DumpLayers(t, fileLine("/etc/of-image", "i")+fileLine("/var/x", "")+fileLine("/boot/x", "")+fileLine("/sysroot/x", "")+fileLine("/usr/lib/modules/1/vmlinuz", "k")+fileLine("/usr/lib/modules/1/initramfs.img", "i"))
	pullLayers(t, repo, "t", layer...)
	makeBootImage(t, repo, "t", "1")
	must(t, repo, "cfs-link boot-install --bootdir "+disk+"/boot --state "+disk+"/state "+options+" t")
	return disk, strings.TrimSpace(must(t, repo, "cfs-mkerofs karg t"))
}

// setUp runs cfs-setup-root in a mount namespace of its own, and then code in the new root.
func setUp(t *testing.T, disk, options, code string) result {
	t.Helper()
	script := cmdtest.Root(t) + "/scripts/cfs-setup-root " + options + " " + disk + " && cd " + disk + " && { " + code + "; }"
	return shell(t, "", "exec unshare -m --propagation private sh -ec "+cmdtest.Quote(script))
}

// TestSetupRoot: what is mounted, by argument and configuration.
func TestSetupRoot(t *testing.T) {
	needComposefs(t)
	disk, karg := rootDisk(t, "")
	hex := karg[strings.LastIndexByte(karg, ':')+1:]
	gone := "composefs.digest=v1-sha512-12:" + strings.Repeat("0", 128)
	use := "cat etc/of-image; echo e >etc/new; echo v >var/new; ls sysroot/composefs/meta.json >/dev/null"
	for _, c := range []struct{ cmdline, config, code, says string }{
		{"ro " + karg + " quiet", "", use + "; ! touch usr/x 2>/dev/null; cat sysroot/state/deploy/*/etc/upper/new sysroot/state/deploy/*/var/new", "ie\nv\n"},
		{"composefs=?" + hex, "", "cat etc/new var/new", "e\nv\n"}, // by the older spelling, and they have stayed
		{gone + " " + karg, "", "cat etc/of-image", "i"},
		{karg, "[root]\ntransient = true", use + "; echo x >usr/x; cat etc/new sysroot/state/deploy/*/etc/upper/new", "ie\ne\n"},
		{karg, "[other]\ntransient = true\n[etc]\nmount = \"none\" # so", "! touch etc/x 2>/dev/null; ls etc", "of-image\n"},
		{karg, "[etc]\ntransient=true\n[var]\nmount=\"transient\"", "ls etc var; echo x >etc/x; echo x >var/x; ls sysroot/state/deploy/*/etc/upper", "etc:\nof-image\n\nvar:\n"},
		{karg, "[etc]\nmount = 'bind'", "ls etc", "upper\nwork\n"},
	} {
		config := filepath.Join(t.TempDir(), "conf")
		if err := os.WriteFile(config, []byte(c.config), 0o644); err != nil {
			t.Fatal(err)
		}
		r := setUp(t, disk, "--config "+config+" --cmdline "+cmdtest.Quote(c.cmdline), c.code)
		if r.Status != 0 || !strings.HasPrefix(r.Stdout, c.says) {
			t.Errorf("%s, %q: want %q, got %+v", c.cmdline, c.config, c.says, r)
		}
	}
}

// TestSetupRootRefusals: no root is mounted that the command line does not ask for.
func TestSetupRootRefusals(t *testing.T) {
	needComposefs(t)
	disk, karg := rootDisk(t, "--shared-var")
	strict := strings.Replace(karg, "=?", "=", 1)
	if r := setUp(t, disk, "--cmdline "+karg, "echo x >var/x; cat sysroot/state/os/default/var/x"); r.Stdout != "x\n" {
		t.Errorf("a shared /var: %+v", r)
	}
	for cmdline, says := range map[string]string{
		"quiet 'composefs.digest'": "names no image", strict: "not protected by fs-verity", "composefs=foo " + karg: "composefs=foo: that is no digest",
		karg + " composefs.digest=?": "names no digest", "composefs=* ": "no digest", "composefs=../../x": "no digest",
		"composefs=?" + strings.Repeat("0", 128): "none of the images is there", "composefs=" + strings.ToUpper(karg[len(karg)-128:]): "no digest",
	} {
		r := setUp(t, disk, "--cmdline "+cmdtest.Quote(cmdline), "echo mounted")
		wantError(t, r, 1, "cfs-", says)
	}
	config := filepath.Join(t.TempDir(), "conf")
	if err := os.WriteFile(config, []byte("[var]\nmount = \"some\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantError(t, setUp(t, disk, "--config "+config+" --cmdline "+karg, "echo mounted"), 1, `[var] mount is "some"`)
	must(t, "", "rm -r "+disk+"/state/deploy")
	wantError(t, setUp(t, disk, "--cmdline "+karg, "echo mounted"), 1, "no folder", "boot-install")
}
