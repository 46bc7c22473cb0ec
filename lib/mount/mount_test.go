package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// kernels are what Mount falls back to on older ones, each forced.
var kernels = map[string]ways{
	"newest":                 {},
	"without file mounts":    {loop: true},
	"without descriptors":    {paths: true},
	"without lowerdir+":      {joined: true},
	"without detached lower": {attach: true},
	"oldest":                 {loop: true, paths: true, joined: true, attach: true},
}

func TestMount(t *testing.T) {
	needMounts(t)
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		for name, w := range kernels {
			t.Run(a.Name()+" "+name, func(t *testing.T) {
				s := newStore(t, a)
				root := sampleTree(s)
				dir := mounted(t, s.image(root), s.open(), Options{Name: "x"}, w)
				compare(t, dir, root)
				if err := os.WriteFile(dir+"/new", nil, 0o644); !errors.Is(err, unix.EROFS) {
					t.Errorf("writing: got %v, want EROFS", err)
				}
			})
		}
	}
}

func TestVersions(t *testing.T) {
	needMounts(t)
	for _, v := range []variant.Format{variant.V0, variant.V1, variant.V2} {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			s := newStore(t, verity.SHA512)
			root := sampleTree(s)
			for _, n := range tree.Walk(root) {
				if v == variant.V2 {
					n.Mtime.Nsec = 0 // which that version leaves out
				}
			}
			compare(t, mounted(t, s.imageOf(root, v), s.open(), Options{}, ways{}), root)
		})
	}
}

// An object is looked for in each directory of objects.
func TestManyObjects(t *testing.T) {
	needMounts(t)
	for name, w := range kernels {
		t.Run(name, func(t *testing.T) {
			a, b := newStore(t, verity.SHA256), newStore(t, verity.SHA256)
			root := tree.NewDir(0o755)
			root.Put("a", a.file("in the first"))
			root.Put("b", b.file("in the second"))
			dir := mounted(t, a.image(root), append(a.open(), b.open()...), Options{}, w)
			wantFile(t, dir+"/a", large("in the first"))
			wantFile(t, dir+"/b", large("in the second"))
		})
	}
}

// Also a kernel that mounts EROFS from a file can't from a file on tmpfs: there
// Mount finds out by itself that it takes a loop device.
func TestImageOnTmpfs(t *testing.T) {
	needMounts(t)
	tmp := t.TempDir()
	if err := unix.Mount("tmpfs", tmp, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(tmp, unix.MNT_DETACH) })
	s := store{t, verity.SHA256, tmp}
	root := sampleTree(s)
	compare(t, mounted(t, s.image(root), s.open(), Options{}, ways{}), root)
}

func TestReadWrite(t *testing.T) {
	needMounts(t)
	for name, w := range kernels {
		t.Run(name, func(t *testing.T) {
			// No byte of these names means anything to anybody.
			base := filepath.Join(t.TempDir(), `a,b:c\d "e"`+"\n::,upperdir=/")
			o := Options{Upper: base + "/up,per", Work: base + `/wo\:rk`, ReadWrite: true}
			for _, dir := range []string{o.Upper, o.Work} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			needUpper(t, o.Upper)
			s := newStore(t, verity.SHA256)
			image := s.image(sampleTree(s))

			dir := mounted(t, image, s.open(), o, w)
			writeFile(t, dir+"/new", "new")
			if err := os.Remove(dir + "/dir/link"); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(dir+"/dir/large", os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString("more")
			f.Close()
			unmount(t, dir)
			wantFile(t, o.Upper+"/new", "new")

			// The same layers, read-only: what was written is there.
			o.ReadWrite = false
			dir = mounted(t, image, s.open(), o, w)
			wantFile(t, dir+"/new", "new")
			wantFile(t, dir+"/dir/large", large("large")+"more")
			if _, err := os.Lstat(dir + "/dir/link"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("removed file: got %v", err)
			}
			if err := os.WriteFile(dir+"/newer", nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("writing to a read-only mount: got %v, want EROFS", err)
			}
		})
	}
}

// Without an upper layer nothing can be written, asked for or not.
func TestReadWriteWithoutUpper(t *testing.T) {
	needMounts(t)
	s := newStore(t, verity.SHA256)
	dir := mounted(t, s.image(sampleTree(s)), s.open(), Options{ReadWrite: true}, ways{})
	if err := os.WriteFile(dir+"/new", nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("got %v, want EROFS", err)
	}
}

func TestIDMap(t *testing.T) {
	needMounts(t)
	s := newStore(t, verity.SHA256)
	root := tree.NewDir(0o755)
	file := s.file("x")
	file.UID, file.GID = 1000, 0
	root.Put("f", file)
	image, userns := s.image(root), userNamespace(t, 100000)
	for name, w := range kernels {
		t.Run(name, func(t *testing.T) {
			dir := mounted(t, image, s.open(), Options{IDMap: userns}, w)
			var st unix.Stat_t
			if err := unix.Lstat(dir+"/f", &st); err != nil {
				t.Fatal(err)
			}
			if st.Uid != 101000 || st.Gid != 100000 {
				t.Errorf("owner %d:%d, want 101000:100000", st.Uid, st.Gid)
			}
			wantFile(t, dir+"/f", large("x"))
		})
	}
}

// Several processes may look for a free loop device at the same time.
func TestLoopRace(t *testing.T) {
	needMounts(t)
	s := newStore(t, verity.SHA256)
	root := sampleTree(s)
	image, objects := s.image(root), s.open()
	var wg sync.WaitGroup
	for range 12 {
		dir := t.TempDir()
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		wg.Go(func() {
			if err := mount(image, objects, dir, Options{}, ways{loop: true}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestErrors(t *testing.T) {
	needMounts(t)
	s := newStore(t, verity.SHA256)
	image, objects, dir := s.image(sampleTree(s)), s.open(), t.TempDir()
	garbage := filepath.Join(t.TempDir(), "garbage")
	writeFile(t, garbage, strings.Repeat("x", 8192))
	noImage := openFile(t, garbage)
	tests := []struct {
		name    string
		image   *os.File
		objects []*os.File
		dir     string
		o       Options
		want    []string // parts of the message
		is      error
	}{
		{"garbage", noImage, objects, dir, Options{}, []string{"image " + garbage, "erofs"}, unix.EINVAL},
		{"no directory", image, objects, dir + "/none", Options{}, []string{"mount point", dir + "/none"}, fs.ErrNotExist},
		{"a file as directory", image, objects, garbage, Options{}, []string{"mount point", garbage}, unix.ENOTDIR},
		{"no objects", image, nil, dir, Options{}, []string{"objects"}, nil},
		{"a file as objects", image, []*os.File{noImage}, dir, Options{}, []string{"overlay", garbage}, unix.EINVAL},
		{"upper alone", image, objects, dir, Options{Upper: dir}, []string{"work directory"}, nil},
		{"no upper", image, objects, dir, Options{Upper: dir + "/u", Work: dir}, []string{"upperdir", dir + "/u"}, fs.ErrNotExist},
		{"no work", image, objects, dir, Options{Upper: dir, Work: dir + "/w"}, []string{"workdir", dir + "/w"}, fs.ErrNotExist},
		{"work in upper", image, objects, dir, Options{Upper: s.dir, Work: objects[0].Name()}, []string{"overlay"}, unix.EINVAL},
		{"no user namespace", image, objects, dir, Options{IDMap: noImage}, []string{"image", garbage}, unix.EINVAL},
		{"a name that is too long", image, objects, dir, Options{Name: strings.Repeat("a", 300)}, []string{"source"}, unix.EINVAL},
	}
	for _, v := range tests {
		for name, w := range kernels {
			t.Run(v.name+" "+name, func(t *testing.T) {
				before := things(t, s.dir)
				err := mount(v.image, v.objects, v.dir, v.o, w)
				if err == nil {
					unix.Unmount(v.dir, unix.MNT_DETACH)
					t.Fatal("mounted")
				}
				text := err.Error()
				for _, part := range v.want {
					if !strings.Contains(text, part) {
						t.Errorf("%q does not say %q", text, part)
					}
				}
				if v.is != nil && !errors.Is(err, v.is) {
					t.Errorf("%q is no %v", text, v.is)
				}
				if strings.Contains(text, "\n") {
					t.Errorf("%q has more than one line", text)
				}
				wantThings(t, s.dir, before)
			})
		}
	}
}

// What the kernel says about a step is in the error of that step, and not in a
// later one.
func TestKernelLog(t *testing.T) {
	needMounts(t)
	c, err := open("overlay")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, key := range []string{"nonsense", "more-nonsense"} {
		err := c.setString(key, "x")
		want := fmt.Sprintf("overlay: %s=x: invalid argument (overlay: Unknown parameter '%s')", key, key)
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A mount that is gone leaves nothing: no descriptor, no other mount, no
// temporary directory, no loop device.
func TestNothingStays(t *testing.T) {
	needMounts(t)
	s := newStore(t, verity.SHA256)
	image, objects := s.image(sampleTree(s)), s.open()
	t.Setenv("TMPDIR", t.TempDir())
	for name, w := range kernels {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before := things(t, s.dir)
			t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
			if err := mount(image, objects, dir, Options{}, w); err != nil {
				t.Fatal(err)
			}
			if got, want := things(t, s.dir).mounts, before.mounts+1; got != want {
				t.Errorf("%d mounts, want %d", got, want)
			}
			unmount(t, dir)
			wantThings(t, s.dir, before)
		})
	}
}

// leftovers are what a mount could leave behind, counted.
type leftovers struct{ files, mounts, temps, loops int }

// things counts what there is: of mounts, those below this test's own directories,
// since other packages are tested at the same time; of loop devices, those of files
// below dir.
func things(t *testing.T, dir string) leftovers {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	own, _, _ := strings.Cut(t.Name(), "/")
	var n leftovers
	for line := range strings.Lines(string(table)) {
		if strings.Contains(strings.Fields(line)[4], "/"+own) {
			n.mounts++
		}
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n.files = len(fds)
	temps, _ := filepath.Glob(os.TempDir() + "/composefs-*")
	n.temps = len(temps)
	backing, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range backing {
		if text, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(text), dir+"/") {
			n.loops++
		}
	}
	return n
}

// wantThings waits until there is what there was: the kernel frees a loop device
// a little after its last user has gone.
func wantThings(t *testing.T, dir string, want leftovers) {
	t.Helper()
	var got leftovers
	for range 100 {
		if got = things(t, dir); got == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("left behind: %+v, before there was %+v", got, want)
}

func TestMounted(t *testing.T) {
	needMounts(t)
	s := newStore(t, verity.SHA256)
	image := s.image(sampleTree(s))
	base := t.TempDir()
	names := []string{"plain", "a b", "tab\there", "new\nline", `back\slash`, `\040`, "hash#", "nbsp\u00a0 - overlay composefs:no"}
	for _, name := range names {
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		if err := Mount(image, s.open(), dir, Options{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	mounted(t, image, s.open(), Options{Name: "a b"}, ways{})

	found := mountsNow(t).Names
	for _, name := range names {
		if !slices.Contains(found, name) {
			t.Errorf("%q is not among those that are mounted", name)
		}
	}
	if slices.Contains(found, "no") {
		t.Errorf("a name in a mount point was taken for a source: %q", found)
	}
}

// TestWithoutTmp: an initramfs has no /tmp.
func TestWithoutTmp(t *testing.T) {
	needMounts(t)
	s := newStore(t, verity.SHA256)
	root := sampleTree(s)
	t.Setenv("TMPDIR", t.TempDir()+"/none")
	compare(t, mounted(t, s.image(root), s.open(), Options{}, ways{attach: true}), root)
}
