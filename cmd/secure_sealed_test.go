package cmd

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/internal/imagetest"
	"cfs/lib/verity"
)

// sealedImage is an image that was built and signed on one machine, as a layout, and what the
// others trust.
type sealedImage struct {
	layout string
	key    signingKey
}

// newSealedImage signs what is in merged alone, though the image can boot.
func newSealedImage(t *testing.T, key signingKey, content string) sealedImage {
	t.Helper()
	dir := t.TempDir()
	imagetest.Make(t, dir+"/layout", imagetest.Tar(t,
		imagetest.Dir("boot", 0o755), imagetest.Dir("sysroot", 0o755), imagetest.Dir("usr", 0o755), imagetest.Dir("usr/lib", 0o755), imagetest.Dir("usr/lib/modules", 0o755), imagetest.Dir("usr/lib/modules/6.1.0", 0o755),
		imagetest.File("usr/lib/modules/6.1.0/vmlinuz", "kernel"), imagetest.File("usr/lib/modules/6.1.0/initramfs.img", "initramfs"),
		imagetest.File("usr/file", strings.Repeat(content, 5000))))
	must(t, dir+"/builder", "cfs-pull --init --progress none oci:"+dir+"/layout app && cfs-link sign app --cert "+key.cert+" --key "+key.key)
	must(t, "", "cp -r "+dir+"/layout "+dir+"/unsigned")
	must(t, dir+"/builder", "cfs-link export-signatures app "+dir+"/layout")
	return sealedImage{dir + "/layout", key}
}

// unsigned is the layout as it was before.
func (s sealedImage) unsigned() string { return strings.TrimSuffix(s.layout, "layout") + "unsigned" }

// signedAs gives an image the artifacts of another one, as they are.
func (s sealedImage) signedAs(t *testing.T, other sealedImage) (layout string) {
	t.Helper()
	layout = t.TempDir() + "/layout"
	must(t, "", "cp -r "+s.unsigned()+" "+layout+" && cp -n "+other.layout+"/blobs/sha256/* "+layout+"/blobs/sha256/")
	type index struct {
		SchemaVersion int               `json:"schemaVersion"`
		Manifests     []json.RawMessage `json:"manifests"`
	}
	var ours, theirs index
	for name, v := range map[string]*index{layout: &ours, other.layout: &theirs} {
		if err := json.Unmarshal(try(os.ReadFile(name+"/index.json")), v); err != nil {
			t.Fatal(err)
		}
	}
	ours.Manifests = append(ours.Manifests, theirs.Manifests[1:]...)
	if err := os.WriteFile(layout+"/index.json", try(json.Marshal(ours)), 0o644); err != nil {
		t.Fatal(err)
	}
	return layout
}

// TestSecureSealed: an image that was signed on one machine is pulled and mounted on another by who
// trusts the certificate alone. What has been changed on the way, or since, is refused when it is
// pulled, when it is mounted, or when it is read: the test says by which of these.
func TestSecureSealed(t *testing.T) {
	needVerity(t)
	ours, stranger := newSigningKey(t, "ours", true), newSigningKey(t, "stranger", true)
	image, other := newSealedImage(t, ours, "one\n"), newSealedImage(t, ours, "two\n")
	for _, c := range []struct {
		name, layout string
		key          signingKey
		change       func(t *testing.T, repo string) // after the pull
		stopped      string                          // by what
		status       int
	}{
		{"whole", image.layout, ours, nil, "", 0},
		{"another certificate", image.layout, stranger, nil, "pull", 3},
		{"stripped signature", image.unsigned(), ours, nil, "pull", 3},
		{"artifact of another image", image.signedAs(t, other), ours, nil, "pull", 3},
		{"signature removed later", image.layout, ours, func(t *testing.T, repo string) { must(t, "", "rm -r "+repo+"/streams/refs/oci-referrers") }, "mount", 3},
		{"swapped image", image.layout, ours, swapImage(other), "mount", 3},
		{"EROFS image swapped", image.layout, ours, swapEROFS(other), "mount", 4},
		{"flipped object", image.layout, ours, flipObject(true), "read", 1},
		{"flipped object without fs-verity", image.layout, ours, flipObject(false), "read", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			repo := t.TempDir() + "/repo"
			by, r := sealedRun(t, repo, c.layout, c.key, c.change)
			if by != c.stopped || r.Status != c.status {
				t.Errorf("stopped by %q with status %d, want %q, %d: %s", by, r.Status, c.stopped, c.status, r.Stderr)
			}
			if tag := shell(t, repo, "cfs-link show app"); by == "pull" && tag.Status == 0 {
				t.Error("what was refused is tagged")
			}
			if by != "" {
				t.Logf("%s: stopped by %s: %s", c.name, by, strings.TrimSpace(r.Stderr))
			}
		})
	}
	t.Run("boot image that is not signed", func(t *testing.T) {
		repo := t.TempDir() + "/repo"
		must(t, repo, "cfs-pull --init --progress none --bootable"+ours.trust()+"oci:"+image.layout+" app")
		wantError(t, shell(t, repo, "cfs-mount --bootable"+ours.trust()+"app "+t.TempDir()), 3)
		wantError(t, shell(t, repo, "cfs-link boot-install --bootdir "+t.TempDir()+"/boot --state none"+ours.trust()+"app"), 3)
		must(t, repo, "cfs-link sign app --cert "+ours.cert+" --key "+ours.key)
		must(t, repo, "cfs-link boot-install --bootdir "+t.TempDir()+"/boot --state none"+ours.trust()+"app")
		dir := t.TempDir()
		must(t, repo, "cfs-mount --bootable"+ours.trust()+"app "+dir+" && umount "+dir)
	})
}

// sealedRun pulls, mounts and reads an image, and returns which of them failed.
func sealedRun(t *testing.T, repo, layout string, key signingKey, change func(*testing.T, string)) (by string, r result) {
	t.Helper()
	if r := shell(t, repo, "cfs-pull --init --progress none"+key.trust()+"oci:"+layout+" app"); r.Status != 0 {
		return "pull", r
	}
	if change != nil {
		change(t, repo)
	}
	dir := t.TempDir()
	if r := shell(t, repo, "cfs-mount"+key.trust()+"app "+dir); r.Status != 0 {
		return "mount", r
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if r := shell(t, "", "cat "+dir+"/usr/file >/dev/null"); r.Status != 0 {
		return "read", r
	}
	return "", result{}
}

// swapImage gives the tag to another image, which is in the repository without its signature.
func swapImage(other sealedImage) func(t *testing.T, repo string) {
	return func(t *testing.T, repo string) {
		must(t, repo, "cfs-pull --progress none oci:"+other.unsigned()+" swapped && cfs-link tag swapped app")
	}
}

// swapEROFS has the name of the EROFS image lead to that of another image.
func swapEROFS(other sealedImage) func(t *testing.T, repo string) {
	return func(t *testing.T, repo string) {
		must(t, repo, "cfs-pull --progress none oci:"+other.unsigned()+" swapped")
		image := func(name string) string {
			return strings.Fields(must(t, repo, "cfs-link show "+name+" | grep ^image"))[1]
		}
		must(t, "", "ln -sfn $(readlink "+repo+"/images/"+image("swapped")+") "+repo+"/images/"+image("app"))
	}
}

// flipObject replaces the object of a file by one that differs in a byte.
func flipObject(protected bool) func(t *testing.T, repo string) {
	return func(t *testing.T, repo string) {
		text := []byte(strings.Repeat("one\n", 5000))
		name := repo + "/objects/" + verity.SHA512.Sum(text).ObjectPath()
		text[7000] ^= 1
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if protected {
			f := try(os.Open(name))
			defer f.Close()
			if err := verity.Enable(f, verity.SHA512); err != nil {
				t.Fatal(err)
			}
		}
	}
}
