package packaging

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// arches are those that are tried: all in a long test.
func arches() []string {
	if cmdtest.Long() {
		return []string{"amd64", "arm64"}
	}
	return []string{runtime.GOARCH}
}

// dist copies the sources into a folder, as a tarball has them, and runs packaging/dist
// there after some sh code. It returns the folder of what that made.
func dist(t *testing.T, sources, code, nfpm string) string {
	t.Helper()
	out := t.TempDir()
	c := exec.Command("sh", "-c", `set -e
		mkdir -p "$SOURCES"
		git ls-files -co --exclude-standard | grep -v '^VERSION$' >"$OUT/list"
		tar -cf "$OUT/tar" -T "$OUT/list" && rm "$OUT/list"
		tar -xf "$OUT/tar" -C "$SOURCES" && rm "$OUT/tar"
		echo v1.2.3+4.abc 0123abcd 1700000000 >"$SOURCES/VERSION"
		cd "$SOURCES"
		`+code+`
		NFPM=`+nfpm+` packaging/dist "$OUT"`)
	c.Dir = cmdtest.Root(t)
	c.Env = append(os.Environ(), "SOURCES="+sources, "OUT="+out, "ARCHES="+strings.Join(arches(), " "))
	if cmdtest.Long() {
		c.Env = append(c.Env, "GOCACHE="+t.TempDir()) // nothing is taken over from the other run
	}
	if r := cmdtest.Run(t, c); r.Status != 0 {
		t.Fatalf("dist: %+v", r)
	}
	return out
}

// TestDist builds what is released twice, in different folders and environments: it has the
// same bytes, the programs are static, and the image of the tools can be pulled. A long test
// does so for all architectures, with nothing from a cache, and for packages.
func TestDist(t *testing.T) {
	t.Parallel()
	cmdtest.Slow(t)
	if out, err := exec.Command("git", "-C", cmdtest.Root(t), "rev-parse").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, no clone: %s", out)
	}
	nfpm := `"$PWD/packaging/nfpm"`
	if r := cmdtest.Shell(t, cmdtest.Root(t), "packaging/nfpm --version"); r.Status != 0 {
		nfpm = "none"
		t.Logf("SKIPPED, packages are not tested, no nfpm: %s", r.Stderr)
	}
	top := t.TempDir()
	first := dist(t, top+"/a", "umask 077; export TZ=Asia/Tokyo GOAMD64=v3 GOFLAGS=-buildvcs=false", nfpm)
	again := "none" // packages take as long as all the rest
	if cmdtest.Long() {
		again = nfpm
	}
	second := dist(t, top+"/b/c d/e", "umask 022; export LC_ALL=C.UTF-8 HOSTNAME=other", again)
	names := files(t, second)
	if other := files(t, first); cmdtest.Long() && !slices.Equal(names, other) || len(names) < 3 {
		t.Fatalf("made %s, then %s", other, names)
	}
	for _, name := range names {
		if name == "/SHA256SUMS" {
			continue
		}
		a, err := os.ReadFile(first + name)
		b, err2 := os.ReadFile(second + name)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s has other bytes when it is made again", name)
		}
	}
	cmdtest.Must(t, first, "sha256sum --quiet -c SHA256SUMS")
	for _, arch := range arches() {
		testStatic(t, first+"/cfs-1.2.3+4.abc-linux-"+arch+".tar.gz", arch)
	}
	testToolsImage(t, first+"/cfs-1.2.3+4.abc.oci.tar")
	if nfpm != "none" {
		testDeb(t, first)
		testRPM(t, first)
	}
}

// testStatic checks the programs in a tarball.
func testStatic(t *testing.T, name, arch string) {
	t.Helper()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	programs := 0
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 1700000000 || h.Mode&0o022 != 0 {
			t.Errorf("%s: %s is %+v", name, h.Name, h)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte("\x7fELF")) {
			continue
		}
		programs++
		program, err := elf.NewFile(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if libraries, err := program.ImportedLibraries(); len(libraries) > 0 || err != nil || program.Machine != machines[arch] {
			t.Errorf("%s: needs %s, %v, is for %s", h.Name, libraries, err, program.Machine)
		}
	}
	if programs != 6 {
		t.Errorf("%s has %d programs", name, programs)
	}
}

// testToolsImage pulls the image of the tools by the tools.
func testToolsImage(t *testing.T, archive string) {
	t.Helper()
	list := cmdtest.Must(t, t.TempDir(), `export COMPOSEFS_REPO=$PWD/repo
		for arch in $ARCHES; do
			cfs-pull --init --insecure --progress none --platform linux/$arch "oci-archive:$ARCHIVE:1.2.3-4.abc" $arch >&2
			cfs-mkerofs ls $arch
		done
		cfs-gc check --content >&2
		cfs-fetch inspect --config "oci-archive:$ARCHIVE:1.2.3-4.abc"`, "ARCHIVE="+archive, "ARCHES="+strings.Join(arches(), " "))
	for _, want := range []string{"/usr/bin/cfs-mkerofs\n", `"org.opencontainers.image.revision":"0123abcd"`} {
		if !strings.Contains(list, want) {
			t.Errorf("the image has no %q:\n%s", want, list)
		}
	}
}

// testDeb unpacks the .deb packages, and runs what is in them.
func testDeb(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Logf("SKIPPED: %v", err)
		return
	}
	out := cmdtest.Must(t, t.TempDir(), `
		for deb in "$DIR"/cfs_*_$ARCH.deb "$DIR"/cfs-compat_*_all.deb; do
			dpkg-deb -f "$deb" Package Version Architecture Depends Conflicts
			dpkg-deb -x "$deb" root
		done
		cd root/usr && find * -type f | sort && readlink share/zsh/vendor-completions/_cfs
		bin/cfs --version
		mkdir tree && bin/mkcomposefs --print-digest-only tree`, "DIR="+dir, "ARCH="+runtime.GOARCH)
	for _, want := range []string{
		"Package: cfs\nVersion: 1.2.3+4.abc\nArchitecture: " + runtime.GOARCH + "\n",
		"Package: cfs-compat\nVersion: 1.2.3+4.abc\nArchitecture: all\nDepends: cfs\nConflicts: composefs\n",
		"\nlib/systemd/system/cfs-gc.timer\n", "\nsbin/mount.composefs\n", "\nshare/man/man1/cfs.1.gz\n", "\nshare/man/man8/mount.composefs.8.gz\n",
		"\nshare/doc/cfs/copyright\n", "\n../site-functions/_cfs\n", "\ncfs version v1.2.3+4.abc\ncommit 0123abcd, ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the packages have no %q:\n%s", want, out)
		}
	}
}

// testRPM lists the .rpm packages.
func testRPM(t *testing.T, dir string) {
	t.Helper()
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Logf("SKIPPED: %v", err)
		return
	}
	out := cmdtest.Must(t, "", `rpm --dbpath "$TMP" -qpl --qf '[%{name} %{version} %{arch} %{buildhost}\n]' "$DIR"/cfs*.rpm
		rpm --dbpath "$TMP" -qp --requires --conflicts "$DIR"/cfs-compat*.rpm`, "DIR="+dir, "TMP="+t.TempDir())
	for _, want := range []string{"\n/usr/bin/cfs\n", "\n/usr/sbin/mount.composefs\n", "\ncfs\n", "\ncomposefs\n"} {
		if !strings.Contains("\n"+out, want) {
			t.Errorf("the packages have no %q:\n%s", want, out)
		}
	}
}

// TestLicences: all that is linked into the tools comes with its licence.
func TestLicences(t *testing.T) {
	t.Parallel()
	dirs := cmdtest.Must(t, cmdtest.Root(t), `go list -deps -f '{{with .Module}}{{if not .Main}}{{.Dir}}{{end}}{{end}}' ./cmd/cfs-... | sort -u`)
	for dir := range strings.Lines(dirs) {
		found, err := filepath.Glob(strings.TrimSpace(dir) + "/*")
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(dir) != "" && !slices.ContainsFunc(found, func(name string) bool {
			return strings.Contains(filepath.Base(name), "LICEN") || strings.HasPrefix(filepath.Base(name), "COPYING")
		}) {
			t.Errorf("%s has no licence that packaging/dist finds", dir)
		}
	}
}
