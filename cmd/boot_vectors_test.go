package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/lib/verity"
)

// boot returns the digest of the boot image in a format, as "v1", by a hash.
func (v vector) boot(t *testing.T, format, hash string) string {
	t.Helper()
	var byHash map[string]string
	if err := json.Unmarshal(v.Boot[format], &byHash); err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	return byHash[hash]
}

// TestBootVectors: the boot image of every image of the vectors, pulled, is what it is
// for the reference, and stands beside the plain one.
func TestBootVectors(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for _, v := range readVectors(t, "boot/*", "images/bootable-*") {
		for _, hash := range hashes {
			t.Run(v.name+"/"+hash, func(t *testing.T) {
				t.Parallel()
				repo := filepath.Join(cmdtest.Scratch(t), "repo")
				code := fmt.Sprintf("cfs-pull --init --insecure --algorithm fsverity-%s-12 --progress none --bootable %s %s t", hash, vectorPlatform, v.source())
				r := shell(t, repo, code)
				if r.Status != 0 || r.Stderr != "" {
					t.Fatalf("cfs-pull: status %d, %s", r.Status, r.Stderr)
				}
				want := fmt.Sprintf("\nimage %s variant=plain erofs-version=1\nimage %s variant=boot erofs-version=1\ntag ", v.Erofs["v1"][hash], v.boot(t, "v1", hash))
				if !strings.Contains(r.Stdout, want) {
					t.Errorf("cfs-pull printed\n%swant%s", r.Stdout, want)
				}
				v.checkBootDump(t, repo, hash)
				for format := range v.Boot {
					code := "cfs-mkerofs --oci t --bootable --erofs-version " + strings.TrimPrefix(format, "v")
					if got := must(t, repo, code); got != v.boot(t, format, hash)+"\n" {
						t.Errorf("%s: %s, want %s", code, strings.TrimSpace(got), v.boot(t, format, hash))
					}
				}
				before := must(t, "", "find "+cmdtest.Quote(repo)+" -printf '%P %l %s\\n' | sort")
				if again := must(t, repo, code); again != r.Stdout {
					t.Errorf("pulled again (-before +after):\n%s", cmp.Diff(r.Stdout, again))
				}
				if after := must(t, "", "find "+cmdtest.Quote(repo)+" -printf '%P %l %s\\n' | sort"); after != before {
					t.Errorf("pulling again wrote (-before +after):\n%s", cmp.Diff(before, after))
				}
				must(t, repo, "cfs-gc check --content")
			})
		}
	}
}

// checkBootDump compares the tree in the boot image with what the reference made.
func (v vector) checkBootDump(t *testing.T, repo, hash string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(v.dir, "expected-boot."+hash+".dump"))
	if err != nil {
		return // boot cases have one hash
	}
	if got := must(t, repo, "cfs-mkerofs dump "+v.boot(t, "v1", hash)); got != string(want) {
		t.Errorf("cfs-mkerofs dump (-want +got):\n%s", cmp.Diff(string(want), got))
	}
}

// TestBootFormats: the same in repositories of other formats, and added later.
func TestBootFormats(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	list := readVectors(t, "boot/*", "images/bootable-*")
	for _, formats := range []string{"0", "2,1"} {
		for _, hash := range hashes {
			t.Run(formats+"/"+hash, func(t *testing.T) {
				t.Parallel()
				repo := filepath.Join(cmdtest.Scratch(t), "repo")
				var fetch, show strings.Builder
				for _, v := range list {
					fmt.Fprintf(&fetch, "cfs-fetch %s %s\n", vectorPlatform, v.source())
					fmt.Fprintf(&show, "cfs-link show %s\n", v.Manifest)
				}
				must(t, repo, fmt.Sprintf("(%s) | cfs-import --init --insecure --algorithm fsverity-%s-12 --erofs-version %s --progress none | cfs-mkerofs | cfs-link", fetch.String(), hash, formats))
				images := imagesByManifest(must(t, repo, fmt.Sprintf("(%s) | cfs-mkerofs --bootable | cfs-link --no-tag", show.String())))
				for _, v := range list {
					for _, format := range strings.Split(formats, ",") {
						for variant, id := range map[string]string{"plain": v.Erofs["v"+format][hash], "boot": v.boot(t, "v"+format, hash)} {
							want := fmt.Sprintf("%s variant=%s erofs-version=%s", id, variant, format)
							if !strings.Contains(images[v.Manifest], want) {
								t.Errorf("%s: images\n%swant %s", v.name, images[v.Manifest], want)
							}
						}
					}
				}
				must(t, repo, "cfs-gc check")
			})
		}
	}
}

// whatBootSays is what the message of each boot error case must name.
var whatBootSays = map[string]string{
	"bls-dir-entry": `"/boot/loader/entries/a.conf" is not a regular file`, "bls-missing-file": `"/boot/loader/entries/a.conf": "/boot/nope": "nope" does not exist`,
	"efi-symlink": `"/boot/EFI/Linux/a.efi" is not a regular file`,
	"bad-regex":   `file_contexts line 1: pattern "/x\("`, "bad-type": `file_contexts line 1: .*"-z"`, "boot-not-dir": `/boot`,
	"comment-at-end": `file_contexts line 1: "#"`, "config-symlink": `/etc/selinux/config`, "missing-context": `file_contexts line 1: `,
	"no-boot": `/boot is missing`, "no-file-contexts": `/etc/selinux/targeted/contexts/files/file_contexts is missing`, "no-sysroot": `/sysroot is missing`,
	"policy-missing": `/etc/selinux/mls is missing`, "quoted-type": `/etc/selinux/"targeted" is missing`, "selinux-not-dir": `/etc/selinux`,
	"subs-extra": `file_contexts.subs line 1: `, "subs-missing": `file_contexts.subs line 1: `, "trailing": `file_contexts line 1: "extra"`,
}

// badPolicy are the cases whose policy is not what its format says: status 4.
var badPolicy = regexp.MustCompile(`^(bad-regex|bad-type|comment-at-end|missing-context|subs-.*|trailing)$`)

// TestBootErrors: what has no boot variant for the reference has none here. The plain
// image is linked and tagged all the same, and the status says that a part is missing.
func TestBootErrors(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for _, v := range readVectors(t, "boot/errors/*") {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			r := shell(t, repo, fmt.Sprintf("cfs-pull --init --insecure --progress none --bootable %s %s t", vectorPlatform, v.source()))
			want := 1
			if badPolicy.MatchString(v.name) {
				want = 4
			}
			if r.Status != want {
				t.Errorf("exit status %d, want %d\n%s", r.Status, want, r.Stderr)
			}
			says := whatBootSays[v.name]
			message := regexp.MustCompile(`^cfs-mkerofs: manifest ` + v.Manifest + `: boot image: .*` + says + `.*\n$`)
			if says == "" || !message.MatchString(r.Stderr) {
				t.Errorf("said %q, want %s", r.Stderr, message)
			}
			records := fmt.Sprintf("\nimage %s variant=plain erofs-version=1\npartial - what=boot status=%d\ntag %s name=t\nmanifest ", v.Erofs["v1"]["sha512"], want, v.Manifest)
			if !strings.Contains(r.Stdout, records) {
				t.Errorf("printed\n%swant%s", r.Stdout, records)
			}
			if got := must(t, repo, "cfs-mkerofs --oci t"); got != v.Erofs["v1"]["sha512"]+"\n" {
				t.Errorf("plain image: %s", got)
			}
			if r := shell(t, repo, "cfs-mkerofs --oci t --bootable"); r.Status != want || !regexp.MustCompile(says).MatchString(r.Stderr) || r.Stdout != "" {
				t.Errorf("cfs-mkerofs --oci: status %d, %s%s", r.Status, r.Stdout, r.Stderr)
			}
			must(t, repo, "cfs-gc check")
		})
	}
}

// TestMountBootable mounts the plain and the boot image of each bootable image of the
// vectors, by its tag.
func TestMountBootable(t *testing.T) {
	t.Parallel()
	needComposefs(t)
	for _, v := range readVectors(t, "images/bootable-*") {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			must(t, repo, fmt.Sprintf("cfs-pull --init --insecure --progress none %s %s t", vectorPlatform, v.source()))
			if r := shell(t, repo, "cfs-mount --bootable t /"); r.Status != 3 || !strings.Contains(r.Stderr, "no boot image of format 1") || !strings.Contains(r.Stderr, "cfs-mkerofs --bootable") {
				t.Errorf("without a boot image: status %d, %s", r.Status, r.Stderr)
			}
			must(t, repo, "cfs-link show t | cfs-mkerofs --bootable | cfs-link --tag t")
			for options, dump := range map[string]string{"t": "expected.sha512.dump", "--bootable t": "expected-boot.sha512.dump"} {
				want, err := os.ReadFile(filepath.Join(v.dir, dump))
				if err != nil {
					t.Fatal(err)
				}
				dir := mounted(t, repo, options)
				// readTree leaves out labels, which a host may add of its own.
				unlabelled := regexp.MustCompile(` security\.selinux=\S+`).ReplaceAllString(string(want), "")
				if got := dumpMounted(t, dir, verity.SHA512); got != mountable(unlabelled) {
					t.Errorf("%s (-want +got):\n%s", options, cmp.Diff(mountable(unlabelled), got))
				}
				checkLabels(t, dir, string(want))
			}
		})
	}
}

// checkLabels compares the labels of mounted files with those of a dumpfile.
func checkLabels(t *testing.T, dir, dump string) {
	t.Helper()
	for line := range strings.Lines(dump) {
		path, _, _ := strings.Cut(line, " ")
		_, want, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " security.selinux=")
		if !ok {
			continue
		}
		value := make([]byte, 256)
		n, err := unix.Lgetxattr(dir+path, "security.selinux", value)
		if err != nil || string(value[:n]) != want {
			t.Errorf("%s: label %q, %v, want %q", path, value[:max(n, 0)], err, want)
		}
	}
}
