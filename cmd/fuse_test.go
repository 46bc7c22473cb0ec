package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Tests here that mount the small image are not parallel: a mount keeps its image in all repositories, and others want it
// to go.

// needFUSE skips a test where nothing can be mounted by FUSE.
func needFUSE(t *testing.T) {
	t.Helper()
	cmdtest.Slow(t)
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skip("SKIPPED: ", err)
	}
	f.Close()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root mounts by FUSE without fusermount3")
	}
}

// needUserOverlay skips a test where overlayfs has no data-only layers for users.
func needUserOverlay(t *testing.T) {
	t.Helper()
	var v unix.Utsname
	if err := unix.Uname(&v); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(v.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	if major < 6 || major == 6 && minor < 16 {
		t.Skipf("SKIPPED: data-only layers by user.overlay xattrs need Linux 6.16, this is %d.%d", major, minor)
	}
}

// fuseModes are the ways to mount by FUSE, as options.
var fuseModes = []string{"--fuse plain ", "--fuse yes "}

// grove makes random trees whose files are objects in a folder.
type grove struct {
	*rand.Rand
	t         *testing.T
	objects   string
	whiteouts bool
	leaves    []*tree.Inode
}

func (g *grove) tree(names int) *tree.Inode {
	root := tree.NewDir(0o755)
	dirs := []*tree.Inode{root}
	g.leaves = nil
	for range names {
		dir := dirs[g.IntN(len(dirs))]
		if len(g.leaves) > 0 && g.IntN(8) == 0 {
			dir.Put(g.name(), g.leaves[g.IntN(len(g.leaves))])
			continue
		}
		n := g.inode()
		name := g.name()
		if dir.Lookup(name) != nil {
			continue
		}
		dir.Put(name, n)
		if n.IsDir() {
			dirs = append(dirs, n)
		} else if !n.IsWhiteout() {
			g.leaves = append(g.leaves, n)
		}
	}
	return root
}

// name returns a name, which may be no UTF-8, or of the greatest length.
func (g *grove) name() string {
	switch g.IntN(12) {
	case 0:
		return fmt.Sprintf("\xff\n %d\xfe", g.IntN(1000))
	case 1:
		return strings.Repeat("n", 250) + fmt.Sprintf("%05d", g.IntN(1000))
	case 2:
		return fmt.Sprintf("!%d", g.IntN(50)) // before "."
	}
	return fmt.Sprint("name", g.IntN(5000))
}

func (g *grove) inode() *tree.Inode {
	types := []uint32{unix.S_IFDIR, unix.S_IFREG, unix.S_IFREG, unix.S_IFREG, unix.S_IFLNK, unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK}
	n := &tree.Inode{Mode: types[g.IntN(len(types))] | g.Uint32N(0o10000), UID: g.Uint32N(70000), GID: g.Uint32N(70000),
		Mtime: tree.Time{Sec: g.Int64N(1<<33) - 1<<31, Nsec: g.Uint32N(1e9)}}
	for range g.IntN(4) {
		names := []string{"trusted.b", "trusted.overlay.c", "trusted.overlay.overlay.d", "security.e"}
		if n.IsDir() || n.IsRegular() { // which alone have such xattrs (xattr(7))
			names = append(names, "user.a", "user.overlay.x")
		}
		n.SetXattr(names[g.IntN(len(names))], strings.Repeat("v\x00", g.IntN(100)))
	}
	switch n.Type() {
	case unix.S_IFLNK:
		n.Target, n.Mode = strings.Repeat("t", 1+g.IntN(1000)), unix.S_IFLNK|0o777
	case unix.S_IFCHR, unix.S_IFBLK:
		if n.Rdev = 1 + g.Uint32N(3); g.whiteouts && n.Rdev == 3 {
			n.Rdev = 0
		}
	case unix.S_IFREG:
		g.fill(n)
	}
	return n
}

// fill gives a file content: none, in the image, or an object.
func (g *grove) fill(n *tree.Inode) {
	switch g.IntN(4) {
	case 0:
	case 1:
		n.Inline = strings.Repeat("i", 1+g.IntN(tree.InlineMax))
		n.Size = uint64(len(n.Inline))
	default:
		data := bytes.Repeat([]byte{byte(g.IntN(256))}, tree.InlineMax+1+g.IntN(20_000))
		n.Object, n.Size = verity.SHA256.Sum(data), uint64(len(data))
		path := filepath.Join(g.objects, n.Object.ObjectPath())
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			g.t.Fatal(err)
		}
	}
}

// writeImage writes the image of a tree.
func writeImage(t *testing.T, name string, root *tree.Inode, f variant.Format) {
	t.Helper()
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(erofs.Write(out, root, f), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// dumpAsSeen returns the dumpfile of what is mounted, as it is seen, less xattrs that an overlay by a user hides.
func dumpAsSeen(t *testing.T, dir string, hidden bool) string {
	t.Helper()
	root := readTree(t, dir, verity.SHA256)
	if hidden {
		for _, n := range tree.Walk(root) {
			n.Xattrs = slices.DeleteFunc(n.Xattrs, func(x tree.Xattr) bool { return strings.HasPrefix(x.Name, "user.overlay.") })
		}
	}
	var b bytes.Buffer
	if err := dumpfile.Write(&b, root); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestFUSETrees: random trees look the same by FUSE as when the kernel mounts them.
func TestFUSETrees(t *testing.T) {
	t.Parallel()
	needComposefs(t)
	needFUSE(t)
	needUserOverlay(t)
	dir := cmdtest.Scratch(t)
	trees := 20
	if cmdtest.Long() {
		trees = 360
	}
	for seed := range trees {
		g := &grove{Rand: rand.New(rand.NewPCG(uint64(seed), 1)), t: t, objects: dir + "/objects", whiteouts: seed%2 == 0}
		if err := os.MkdirAll(g.objects, 0o755); err != nil {
			t.Fatal(err)
		}
		root := g.tree(1 + g.IntN(150))
		for _, f := range []variant.Format{variant.V0, variant.V1, variant.V2} {
			if f == variant.V2 && g.whiteouts {
				continue // the kernel lists those, but then does not find them
			}
			writeImage(t, dir+"/image", root, f)
			args := "-o basedir=" + dir + "/objects " + dir + "/image"
			kernel := mounted(t, "", args)
			for _, mode := range fuseModes {
				hidden := mode != "--fuse plain "
				seen := mounted(t, "", mode+args)
				if diff := cmp.Diff(strings.Split(dumpAsSeen(t, kernel, hidden), "\n"), strings.Split(dumpAsSeen(t, seen, hidden), "\n")); diff != "" {
					t.Errorf("seed %d, format %d, %s: %s", seed, f, mode, diff)
				}
				unmount(t, seen)
			}
			unmount(t, kernel)
		}
	}
}

// TestFUSELargeDirectory: a directory of 100,000 names is listed whole, also in pieces and again from any place.
func TestFUSELargeDirectory(t *testing.T) {
	t.Parallel()
	needFUSE(t)
	dir := cmdtest.Scratch(t)
	const names = 100_000
	root, file := tree.NewDir(0o755), &tree.Inode{Mode: unix.S_IFREG | 0o644}
	var want []string
	for i := range names {
		want = append(want, fmt.Sprintf("%06d", i))
		root.Put(want[i], file)
	}
	writeImage(t, dir+"/image", root, variant.V1)
	cmdtest.Must(t, dir, "mkdir objects")
	m := mounted(t, "", "--fuse plain -o basedir="+dir+"/objects "+dir+"/image")
	d, err := os.Open(m)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got, err := d.Readdirnames(-1)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%d names, %v", len(got), err)
	}
	// Each place that the kernel is told leads to the same entry later.
	buf := make([]byte, 1<<16)
	places := map[int64]string{}
	if _, err := d.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	next := int64(0)
	for {
		n, err := unix.Getdents(int(d.Fd()), buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		names := unixNames(buf[:n])
		places[next] = names[0]
		if next, err = unix.Seek(int(d.Fd()), 0, 1); err != nil {
			t.Fatal(err)
		}
	}
	for place, name := range places {
		if _, err := unix.Seek(int(d.Fd()), place, 0); err != nil {
			t.Fatal(err)
		}
		n, err := unix.Getdents(int(d.Fd()), buf)
		if err != nil || n == 0 || unixNames(buf[:n])[0] != name {
			t.Errorf("at %d: %d bytes, %v, want %q first", place, n, err, name)
		}
	}
	if len(places) < 10 {
		t.Errorf("only %d pieces", len(places))
	}
}

// unixNames returns the names in a buffer of getdents(2), "." and ".." too.
func unixNames(buf []byte) (names []string) {
	for len(buf) > 0 {
		length := int(buf[16]) | int(buf[17])<<8
		names = append(names, unix.ByteSliceToString(buf[19:length]))
		buf = buf[length:]
	}
	return names
}

// TestFUSEBadObjects: what is no object, or has another size, cannot be read, and what has other content not with --verify; each is
// logged once.
func TestFUSEBadObjects(t *testing.T) {
	needFUSE(t)
	p := undisturbed(t, imagetest.SmallLayers(t))
	files := []string{"/usr/file0", "/usr/file1", "/usr/file2", "/usr/same"}
	for what, bad := range map[string]struct {
		script string // with $1, the object
		always bool   // without --verify too
	}{
		"changed": {`s=$(stat -c %s $1); rm $1; head -c $s /dev/zero > $1`, false},
		"shorter": {`truncate -s -1 $1`, true},
		"missing": {`rm $1`, true},
		"a link":  {`mv $1 $1.x; ln -s $1.x $1`, true},
		"a fifo":  {`rm $1; mkfifo $1`, true},
	} {
		t.Run(what, func(t *testing.T) {
			repo := filepath.Join(t.TempDir(), "repo")
			must(t, repo, p.code)
			dump := shell(t, repo, "cfs-mkerofs dump "+tagName).Stdout
			object := repo + "/objects/" + objectOf(t, dump, files[0])
			must(t, repo, `set -- `+object+`; `+bad.script)
			for _, option := range []string{"--fuse plain", "--verify"} {
				log := t.TempDir() + "/log"
				dir := mounted(t, repo, option+" --log "+log+" "+tagName)
				want := error(unix.EIO)
				if !bad.always && option == "--fuse plain" {
					want = nil
				}
				for range 3 {
					if _, err := os.ReadFile(dir + files[0]); !errors.Is(err, want) {
						t.Errorf("%s: %v, want %v", option, err, want)
					}
				}
				if _, err := os.ReadFile(dir + files[1]); err != nil {
					t.Error(err)
				}
				text, _ := os.ReadFile(log) // made when the server starts
				if n := strings.Count(string(text), "object "+objectOf(t, dump, files[0])+": "); n != 1 && want != nil || want == nil && len(text) > 0 {
					t.Errorf("%s: logged %q", option, text)
				}
				unmount(t, dir)
			}
		})
	}
}

// fuseServer returns the PID of the server of a mount, of which the command line names the directory.
func fuseServer(t *testing.T, dir string) int {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		text, _ := os.ReadFile(name) // of a process that may have ended
		if args := strings.Split(string(text), "\x00"); strings.HasSuffix(args[0], "cfs-mount") && slices.Contains(args, dir) {
			pid, err := strconv.Atoi(strings.Split(name, "/")[2])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no server of %s", dir)
	return 0
}

// waitGone waits until a process has ended.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for range 200 {
		if unix.Kill(pid, 0) == unix.ESRCH {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
}

// TestFUSEKeeps: an image that is mounted by FUSE is kept, also while its server is stopped and when that was killed,
// until it is unmounted; the lease ends with the server.
func TestFUSEKeeps(t *testing.T) {
	needFUSE(t)
	for _, mode := range fuseModes {
		repo, image := untaggedImage(t)
		dir := mounted(t, repo, mode+image)
		server := fuseServer(t, dir)
		if len(mountLeases(t, repo)) != 1 {
			t.Errorf("%s: leases: %q", mode, mountLeases(t, repo))
		}
		if err := unix.Kill(server, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		must(t, repo, "cfs-gc && cfs-gc --drop-mount-leases")
		if err := unix.Kill(server, unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if _, err := os.ReadFile(dir + "/usr/file0"); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		unmount(t, dir)
		waitGone(t, server)
		if len(mountLeases(t, repo)) != 0 {
			t.Errorf("%s: leases: %q", mode, mountLeases(t, repo))
		}

		dir = mounted(t, repo, mode+image)
		server = fuseServer(t, dir)
		if err := unix.Kill(server, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		waitGone(t, server)
		if _, err := os.ReadFile(dir + "/usr/file1"); !errors.Is(err, unix.ENOTCONN) {
			t.Errorf("%s: of a killed server: %v, want ENOTCONN", mode, err)
		}
		must(t, repo, "cfs-gc && cfs-mkerofs ls "+image+" >&2")
		if mode == "--fuse plain " {
			wantError(t, shell(t, repo, "cfs-mount "+mode+image+" "+dir), 1, "server of a FUSE mount there has ended")
		}
		unmount(t, dir)
		must(t, repo, "cfs-gc --allow-empty")
		wantOnlyMeta(t, repo)
	}
}

// TestFUSESignal: a signal unmounts, unless a file is open: then the mount stays.
func TestFUSESignal(t *testing.T) {
	needFUSE(t)
	for _, mode := range fuseModes {
		repo, image := untaggedImage(t)
		log := t.TempDir() + "/log"
		dir := mounted(t, repo, mode+"--log "+log+" "+image)
		server := fuseServer(t, dir)
		f, err := os.Open(dir + "/usr/file0")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := unix.Kill(server, unix.SIGTERM); err != nil {
				t.Fatal(err)
			}
			for i := 0; ; i++ {
				text, err := os.ReadFile(log)
				if err == nil && strings.Contains(string(text), "device or resource busy") {
					break
				}
				if i == 200 {
					t.Fatalf("%s: logged %q, %v", mode, text, err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if _, err := os.ReadFile(dir + "/usr/file1"); err != nil {
				t.Errorf("%s: %v", mode, err)
			}
		}
		f.Close()
		if err := unix.Kill(server, unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		waitGone(t, server)
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%s: still mounted: %v, %v", mode, list, err)
		}
	}
}

// TestFUSEUsers: root of a user namespace mounts with overlayfs or without, and says which and why; a user by fusermount3.
func TestFUSEUsers(t *testing.T) {
	needFUSE(t)
	needUserOverlay(t)
	p := undisturbed(t, imagetest.SmallLayers(t))
	dir := cmdtest.Scratch(t)
	must(t, dir+"/repo", p.code+" && chmod -R a+rX . "+dir+"/repo && mkdir "+dir+"/mnt && chmod 755 "+dir)
	if r := cmdtest.Shell(t, dir, "unshare -Urm true"); r.Status != 0 {
		t.Skipf("SKIPPED: no user namespaces here: %s", r.Stderr)
	}
	for mode, says := range map[string]string{
		"":               "mounting by FUSE, with overlayfs on top",
		"--fuse plain":   "",
		"--fuse yes":     "",
		"--verify":       "without overlayfs: --verify",
		"--foreground &": "with overlayfs",
	} {
		r := cmdtest.Shell(t, dir, `unshare -Urm sh -ec 'cfs-mount --repo repo `+tagName+` mnt `+mode+`
			for i in 1 2 3 4 5 6 7 8 9; do mountpoint -q mnt && break; sleep 0.2; done
			cat mnt/usr/file0; cfs-mount --list --repo repo; umount mnt; wait'`)
		if r.Status != 0 || !strings.Contains(r.Stderr, says) || says == "" && r.Stderr != "" || !strings.Contains(r.Stdout, tagName) {
			t.Errorf("%s: status %d, %.2000s, %s", mode, r.Status, r.Stdout, r.Stderr)
		}
	}
	wantError(t, cmdtest.Shell(t, dir, "unshare -Urm cfs-mount --fuse no --repo repo "+tagName+" mnt"), 1, "without --fuse no")

	if st, err := os.Stat("/dev/fuse"); err != nil || st.Mode().Perm() != 0o666 {
		t.Logf("SKIPPED: /dev/fuse is not for all users here: %v, %v", st.Mode(), err)
		return
	}
	if r := cmdtest.Shell(t, dir, "chown 65534 mnt && command -v fusermount3 setpriv"); r.Status != 0 {
		t.Log("SKIPPED: no fusermount3 here")
		return
	}
	r := cmdtest.Shell(t, dir, `setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all sh -ec 'cfs-mount --repo repo `+tagName+` mnt; cat mnt/usr/file0; fusermount3 -u mnt'`)
	if r.Status != 0 || !strings.Contains(r.Stderr, "without overlayfs: overlayfs needs CAP_SYS_ADMIN") {
		t.Errorf("status %d, %s", r.Status, r.Stderr)
	}
}

// TestFUSEReadWrite: an upper directory works over what is served, and is refused by a mount of the other kind.
func TestFUSEReadWrite(t *testing.T) {
	needComposefs(t)
	needFUSE(t)
	needUserOverlay(t)
	p := undisturbed(t, imagetest.SmallLayers(t))
	dir := cmdtest.Scratch(t)
	repo := dir + "/repo"
	must(t, repo, p.code)
	for _, mode := range []string{"--fuse yes", "--fuse no"} {
		base := cmdtest.Scratch(t)
		must(t, repo, "mkdir "+base+"/upper "+base+"/work")
		args := "--upperdir " + base + "/upper --workdir " + base + "/work --read-write " + tagName
		for i := range 2 {
			m := mounted(t, repo, mode+" "+args)
			if i == 0 {
				must(t, repo, "echo new > "+m+"/usr/new && echo more >> "+m+"/usr/file0 && rm -r "+m+"/usr/file1")
			}
			must(t, repo, "grep -q new "+m+"/usr/new && tail -n 1 "+m+"/usr/file0 | grep -q more && ! test -e "+m+"/usr/file1")
			unmount(t, m)
		}
		other := map[string]string{"--fuse yes": "--fuse no", "--fuse no": "--fuse yes"}[mode]
		wantError(t, shell(t, repo, "cfs-mount "+other+" "+args+" "+t.TempDir()), 1, "mount it as before")
	}
	wantError(t, shell(t, repo, "cfs-mount --fuse plain --upperdir a --workdir b "+tagName+" /none"), 2, "--upperdir needs overlayfs")
}

// TestFUSEOpens: many files that are open at once are read right; who opens one too many is told so, and nobody else
// is harmed.
func TestFUSEOpens(t *testing.T) {
	needFUSE(t)
	p := undisturbed(t, imagetest.SmallLayers(t))
	repo := cmdtest.Scratch(t) + "/repo"
	must(t, repo, p.code)
	dir := t.TempDir()
	must(t, repo, "ulimit -n 200; cfs-mount --verify "+tagName+" "+dir)
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	var open []*os.File
	var refused error
	for len(open) < 300 {
		f, err := os.Open(dir + "/usr/file0")
		if err != nil {
			refused = err
			break
		}
		open = append(open, f)
	}
	if !errors.Is(refused, unix.EMFILE) || len(open) < 100 {
		t.Errorf("after %d files: %v, want EMFILE", len(open), refused)
	}
	for _, f := range open[:50] {
		if _, err := f.Read(make([]byte, 10)); err != nil {
			t.Error(err)
		}
	}
	for _, f := range open {
		f.Close()
	}
	for i := 0; ; i++ { // files are released after they are closed
		if _, err := os.ReadFile(dir + "/usr/file0"); err == nil {
			break
		} else if i == 100 {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	unmount(t, dir)

	dir = mounted(t, repo, "--verify "+tagName)
	var all [10_000]*os.File
	var failed error
	done := make(chan error)
	for part := range 10 {
		go func() {
			var err error
			for i := part; i < len(all) && err == nil; i += 10 {
				all[i], err = os.Open(dir + "/usr/file0")
			}
			done <- err
		}()
	}
	for range 10 {
		failed = errors.Join(failed, <-done)
	}
	if failed != nil && !errors.Is(failed, unix.EMFILE) {
		t.Error(failed)
	}
	for _, f := range all {
		if f != nil {
			f.Close()
		}
	}
	unmount(t, dir)
}

// TestFUSEUsage: options that contradict each other.
func TestFUSEUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--fuse maybe x /":                             "want one of auto, yes, no, plain",
		"--fuse yes --verify x /":                      "--verify is for FUSE without overlayfs",
		"--fuse no --verify x /":                       "--verify is for FUSE without overlayfs",
		"--verify --upperdir a --workdir b x /":        "--verify is for FUSE without overlayfs",
		"--fuse no --foreground x /":                   "are for FUSE",
		"--fuse no --log l x /":                        "are for FUSE",
		"-o fuse=no,allow_other x /":                   "are for FUSE",
		"--fuse plain -o idmap=/proc/self/ns/user x /": "mounts by the kernel",
		"-o fuse=plain,upperdir=a,workdir=b x /":       "--upperdir needs overlayfs",
		"--list --fuse yes":                            "--list",
		"--list --verify":                              "--list",
	} {
		wantError(t, shell(t, t.TempDir(), "cfs-mount "+args), 2, want)
	}
}

// TestFUSEHelper: mount.composefs takes what /etc/fstab says.
func TestFUSEHelper(t *testing.T) {
	needFUSE(t)
	p := undisturbed(t, imagetest.SmallLayers(t))
	dir := cmdtest.Scratch(t)
	must(t, dir+"/repo", p.code)
	cmdtest.Must(t, dir, "mkdir mnt && mount.composefs "+tagName+" mnt -o repo="+dir+"/repo,fuse=plain,nofail && grep -q '"+dir+"/mnt fuse.composefs' /proc/self/mounts && cat mnt/usr/file0 >&2 && umount mnt")
}
