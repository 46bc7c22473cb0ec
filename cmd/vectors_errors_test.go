package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// tolerated are the error cases that are taken unless --strict is given.
var tolerated = map[string]bool{
	"device-base256": true, "docker-media-type": true, "empty-archive": true, "hardlink-through-symlink": true,
	"missing-parent": true, "no-usr": true, "parent-is-symlink": true, "pax-negative-mtime": true, "run-not-a-dir": true,
	"usr-not-a-dir": true, "whiteout-missing-parent": true, "single-zero-block": true, "whiteout-device-hardlinked": true,
	"gzip-named-tar": true, "tar-named-gzip": true,
}

// warned are those of them of which there is a warning. Strict rules refuse to read such a
// layer, and do not read one that is stored.
var warned = map[string]bool{"gzip-named-tar": true, "tar-named-gzip": true}

// unsupported are those whose bytes are as they should be, and say something that
// images or we do not have: status 1. All others are damaged: status 4.
var unsupported = map[string]bool{
	"sparse-gnu": true, "sparse-pax-01": true, "sparse-pax-10": true, "unknown-media-type": true, "unknown-type": true,
}

// whatItSays is what the message of each case must name beside the layer: a path
// where there is one, else where in the tar it is, else what of it is wrong.
var whatItSays = map[string]string{
	"bad-checksum": `at byte \d+: checksum`, "bad-octal": `at byte \d+: uid`, "device-base256": `"d" at byte \d+`, "device-v7": `"d" at byte \d+`,
	"docker-media-type": `"application/vnd\.docker\..*"`, "dotdot-inside": `"usr/\.\./x" at byte \d+`, "dotdot-last-file": `"usr/\.\." at byte \d+`,
	"empty-archive": `/usr`, "empty-path": `at byte \d+`, "gzip-bad-crc": `gzip`, "gzip-named-tar": `gzip, its media type says tar`, "gzip-truncated": `at byte \d+: gzip`,
	"hardlink-dotdot": `"x" at byte \d+`, "hardlink-empty": `"x" at byte \d+`, "hardlink-missing": `"x" at byte \d+: .*"y"`,
	"hardlink-through-symlink": `"h" at byte \d+: .*"lnk/a"`, "hardlink-to-dir": `"x" at byte \d+: .*"usr"`, "hardlink-whited-out": `"b" at byte \d+: .*"a"`,
	"longname-orphan": `at byte \d+`, "missing-parent": `"a/b" at byte \d+: .*"a"`, "no-usr": `/usr`, "parent-is-file": `"f/x" at byte \d+: "f"`,
	"parent-is-symlink": `"lib/x" at byte \d+: .*"lib"`, "pax-bad-uid": `at byte \d+: .*uid "abc"`, "pax-duplicate": `at byte \d+: .*PAX`,
	"pax-malformed": `at byte \d+: .*PAX`, "pax-negative-mtime": `"f" at byte \d+: .*mtime`, "root-not-a-dir": `"\./" at byte \d+`, "run-not-a-dir": `/run`,
	"single-zero-block": `zero block`, "sparse-gnu": `at byte \d+`, "sparse-pax-01": `at byte \d+`, "sparse-pax-10": `at byte \d+`, "tar-named-gzip": `tar, its media type says gzip`,
	"truncated-header": `at byte \d+`, "truncated-large-file": `"usr/bin/y" at byte \d+`, "truncated-large-padding": `"usr/bin/y" at byte \d+`,
	"truncated-small-file": `"usr/bin/x" at byte \d+`, "unknown-media-type": `"application/x-foo"`, "unknown-type": `"a" at byte \d+`, "usr-not-a-dir": `/usr`,
	"whiteout-device-hardlinked": `"w2" at byte \d+`, "whiteout-missing-parent": `"nope/.wh.a" at byte \d+`,
}

// treeErrors are about no one layer: their message names the manifest.
var treeErrors = map[string]bool{
	"empty-archive": true, "no-usr": true, "run-not-a-dir": true, "usr-not-a-dir": true,
}

// TestErrors: what the reference refuses is refused, with --strict and without, but
// for what is tolerated. A refusal says what and where, tags nothing, and leaves a
// repository that is whole.
func TestErrors(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	list := readVectors(t, "layers/errors/*")
	if len(list) != len(whatItSays) {
		t.Errorf("%d error cases, want %d", len(list), len(whatItSays))
	}
	for _, v := range list {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			v.refuse(t, repo, true)
			if !tolerated[v.name] {
				v.refuse(t, repo, false)
			} else if r := v.pull(t, repo, false); r.Status != 0 || (r.Stderr != "") != warned[v.name] {
				t.Errorf("cfs-pull: status %d, %s", r.Status, r.Stderr)
			}
			must(t, repo, "cfs-gc check --content")
			if tolerated[v.name] && !warned[v.name] { // and still refused, though all of it is stored now
				v.refuse(t, repo, true)
			}
		})
	}
}

func (v vector) pull(t *testing.T, repo string, strict bool) result {
	t.Helper()
	code := "cfs-pull --init --insecure --progress none " + vectorPlatform + " " + v.source()
	if strict {
		return shell(t, repo, code+" strict --strict")
	}
	return shell(t, repo, code+" lenient")
}

// refuse checks that the image is not taken.
func (v vector) refuse(t *testing.T, repo string, strict bool) {
	t.Helper()
	want := 4
	if unsupported[v.name] || tolerated[v.name] {
		want = 1
	}
	r := v.pull(t, repo, strict)
	if r.Status != want {
		t.Errorf("strict %v: exit status %d, want %d\n%s", strict, r.Status, want, r.Stderr)
	}
	subject := "layer"
	if treeErrors[v.name] {
		subject = "manifest"
	}
	refused := ""
	if strict && tolerated[v.name] {
		refused = ".*refused by --strict"
	}
	message := regexp.MustCompile(`^(cfs-import|cfs-mkerofs): .*` + subject + ` sha256:[0-9a-f]{64}: .*` + whatItSays[v.name] + `.*\n$`)
	if !message.MatchString(r.Stderr) || !regexp.MustCompile(refused).MatchString(r.Stderr) {
		t.Errorf("strict %v: said %q, want %s", strict, r.Stderr, message)
	}
	if strings.Contains(r.Stdout, "tag ") || strings.Contains(r.Stdout, "manifest ") {
		t.Errorf("strict %v: printed\n%s", strict, r.Stdout)
	}
	if !strings.HasSuffix(r.Stdout, " status="+string(rune('0'+want))+"\n") {
		t.Errorf("strict %v: no record of the failure:\n%s", strict, r.Stdout)
	}
	if _, err := os.Lstat(filepath.Join(repo, "streams/refs/oci/strict")); err == nil {
		t.Errorf("strict %v: tagged", strict)
	}
	must(t, repo, "cfs-gc check")
}

// TestDockerTypes: the image of layers with Docker's media types is that of the same
// layers with OCI's.
func TestDockerTypes(t *testing.T) {
	t.Parallel()
	docker := readVectors(t, "layers/errors/docker-media-type")[0]
	for _, v := range readVectors(t, "layers/*") {
		if v.Config != docker.Config {
			continue
		}
		if r := docker.pull(t, filepath.Join(cmdtest.Scratch(t), "repo"), false); !strings.Contains(r.Stdout, "\nimage "+v.Erofs["v1"]["sha512"]+" ") {
			t.Errorf("%s: want the image of %s, %s\n%s%s", docker.name, v.name, v.Erofs["v1"]["sha512"], r.Stdout, r.Stderr)
		}
		return
	}
	t.Error("no case has the same config")
}
