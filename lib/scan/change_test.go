package scan_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/scan"
	"cfs/lib/tree"
	"cfs/lib/verity"
)

// write makes files with content, and the directories in which they are.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name = dir + "/" + name
		if err := os.MkdirAll(name[:strings.LastIndex(name, "/")], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	big   = strings.Repeat("big\n", 1000)
	other = strings.Repeat("OTH\n", 1000)
)

// TestChangedFile: whatever happens to a file between the first byte that is read of
// it and the last is noticed, and the file is named.
func TestChangedFile(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"grows": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = f.WriteString("more")
				f.Close()
			}
			return err
		},
		"shrinks":               func(path string) error { return os.Truncate(path, 100) },
		"is emptied":            func(path string) error { return os.Truncate(path, 0) },
		"is written":            func(path string) error { return os.WriteFile(path, []byte(other), 0) },
		"vanishes":              os.Remove,
		"gets another mode":     func(path string) error { return os.Chmod(path, 0o600) },
		"gets another name too": func(path string) error { return os.Link(path, path+"2") },
		"is replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", []byte(other), 0o644), os.Rename(path+"2", path))
		},
		"is written, its time set back": func(path string) error {
			st, err := os.Stat(path)
			return errors.Join(err, os.WriteFile(path, []byte(other), 0), os.Chtimes(path, st.ModTime(), st.ModTime()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := scratch(t)
			write(t, dir, map[string]string{"d/file": big})
			put := func(f *scan.File) (verity.ID, error) {
				data := make([]byte, f.Size)
				if _, err := io.ReadFull(f, data[:10]); err != nil {
					return verity.ID{}, err
				}
				if err := change(dir + "/d/file"); err != nil {
					t.Error(err)
				}
				_, err := io.ReadFull(f, data[10:])
				return verity.SHA256.Sum(data), err
			}
			_, err := scan.Scan(dir, scan.Options{Put: put, Xattr: all})
			if !errors.Is(err, scan.ErrChanged) || !strings.Contains(err.Error(), dir+"/d/file") {
				t.Errorf("error %v, want one that %s/d/file changed", err, dir)
			}
		})
	}
}

// TestChangedElsewhere: what happens in directories that were listed, whether their
// files are read already or not, is noticed in the end.
func TestChangedElsewhere(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"a new file":         func(dir string) error { return os.WriteFile(dir+"/d/e/new", nil, 0o644) },
		"a new directory":    func(dir string) error { return os.Mkdir(dir+"/d/e/new", 0o755) },
		"one in the root":    func(dir string) error { return os.Mkdir(dir+"/new", 0o755) },
		"a removed file":     func(dir string) error { return os.Remove(dir + "/d/e/small") },
		"a removed tree":     func(dir string) error { return os.RemoveAll(dir + "/d/e") },
		"a moved file":       func(dir string) error { return os.Rename(dir+"/d/e/small", dir+"/z/small") },
		"a moved directory":  func(dir string) error { return os.Rename(dir+"/d/e", dir+"/z/e") },
		"another mode":       func(dir string) error { return os.Chmod(dir+"/d/e", 0o700) },
		"another time":       func(dir string) error { return unix.Utimes(dir+"/d", make([]unix.Timeval, 2)) },
		"a moved parent":     func(dir string) error { return os.Rename(dir+"/d", dir+"/y") },
		"swapped for a link": func(dir string) error { return errors.Join(os.Rename(dir+"/d", dir+"/y"), os.Symlink("y", dir+"/d")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := scratch(t)
			write(t, dir, map[string]string{"d/e/small": "small", "d/e/file": big, "z/x": "x"})
			sum := scan.Sum(verity.SHA256)
			put := func(f *scan.File) (verity.ID, error) {
				if err := change(dir); err != nil {
					t.Error(err)
				}
				return sum(f)
			}
			_, err := scan.Scan(dir, scan.Options{Put: put, Threads: 1})
			if !errors.Is(err, scan.ErrChanged) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v, want one that something below %s changed", err, dir)
			}
			if left := openFiles(t); left > 0 {
				t.Errorf("%d descriptors are left open below the tree", left)
			}
		})
	}
}

// TestWhileWritten: a file that is replaced all the time, and one that is moved to and
// fro, are found as they were at some time, or not at all.
func TestWhileWritten(t *testing.T) {
	dir := scratch(t)
	a, b := bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 100_000)
	write(t, dir, map[string]string{"file": string(a), "x/moved": "m", "y/none": "n"})
	var stop atomic.Bool
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; err == nil && !stop.Load(); i++ {
			err = errors.Join(os.WriteFile(dir+"/new", [][]byte{a, b}[i%2], 0o644), os.Rename(dir+"/new", dir+"/file"),
				os.Rename(dir+"/x/moved", dir+"/y/moved"), os.Rename(dir+"/y/moved", dir+"/x/moved"))
			if i%100 == 0 {
				unix.Nanosleep(&unix.Timespec{Nsec: 11e6}, nil) // so that some scans have an end
			}
		}
		done <- err
	}()
	whole := 0
	for range 100 {
		root, err := scan.Scan(dir, scan.Options{Put: scan.Sum(verity.SHA256)})
		if errors.Is(err, scan.ErrChanged) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		whole++
		if id := root.Lookup("file").Object; id != verity.SHA256.Sum(a) && id != verity.SHA256.Sum(b) {
			t.Error("a mixture of two contents")
		}
		if x, y := root.Lookup("x").Lookup("moved"), root.Lookup("y").Lookup("moved"); (x == nil) == (y == nil) {
			t.Errorf("a moved file is in %v and %v", x, y)
		}
	}
	stop.Store(true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of 100 scans had an end", whole)
}

// TestSymlinks: none leads out of the tree, the path itself only with a slash.
func TestSymlinks(t *testing.T) {
	top := scratch(t)
	write(t, top, map[string]string{"outside/secret": big, "tree/file": "f"})
	for link, target := range map[string]string{"tree/rel": "../outside", "tree/abs": top + "/outside", "tree/file2": top + "/outside/secret", "tree/gone": "nowhere", "link": "tree"} {
		if err := os.Symlink(target, top+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	o := scan.Options{Put: func(*scan.File) (verity.ID, error) { return verity.ID{}, errors.New("it read what is outside") }}
	want := dump(t, mustScan(t, top+"/tree", o))
	if n := tree.Count(mustScan(t, top+"/tree/", o)); n != 6 {
		t.Errorf("%d names, want 6:\n%s", n, want)
	}
	if got := dump(t, mustScan(t, top+"/link/", o)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, name := range []string{top + "/link", top + "/tree/file", top + "/tree/gone"} {
		if _, err := scan.Scan(name, o); err == nil || !strings.Contains(err.Error(), name) || errors.Is(err, scan.ErrChanged) {
			t.Errorf("%s: error %v, want one that it is not a directory", name, err)
		}
	}
	if _, err := scan.Scan(top+"/none", o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that there is none", err)
	}
}

// TestSwapped: a directory that becomes a symbolic link after it was listed is not
// followed. The xattr of its neighbour, which is the first to be opened, is the hook.
func TestSwapped(t *testing.T) {
	top := scratch(t)
	write(t, top, map[string]string{"outside/secret": "s", "tree/a/x": "x", "tree/b/x": "x"})
	for _, name := range []string{"a", "b"} {
		if err := unix.Setxattr(top+"/tree/"+name, "user."+name, nil, 0); err != nil {
			t.Skip("SKIPPED: no user xattrs here: ", err)
		}
	}
	swapped := false
	hook := func(xattr string) bool {
		if neighbour := map[string]string{"user.a": "b", "user.b": "a"}[xattr]; neighbour != "" && !swapped {
			swapped = true
			path := top + "/tree/" + neighbour
			if err := errors.Join(os.Rename(path, top+"/away"), os.Symlink(top+"/outside", path)); err != nil {
				t.Error(err)
			}
		}
		return true
	}
	_, err := scan.Scan(top+"/tree", scan.Options{Put: scan.Sum(verity.SHA256), Xattr: hook})
	if !swapped || !errors.Is(err, scan.ErrChanged) || !strings.Contains(err.Error(), top+"/tree/") {
		t.Errorf("swapped %v, error %v", swapped, err)
	}
}

// TestNotOpened: fifos, sockets and devices are looked at, never opened.
func TestNotOpened(t *testing.T) {
	dir := scratch(t)
	names := map[string]uint32{"fifo": unix.S_IFIFO, "socket": unix.S_IFSOCK}
	if os.Getuid() == 0 {
		names["null"] = unix.S_IFCHR
	}
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Skip("SKIPPED: no inotify: ", err)
	}
	defer unix.Close(watch)
	for name, typ := range names {
		if err := unix.Mknod(dir+"/"+name, typ|0o644, int(unix.Mkdev(1, 3))); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.InotifyAddWatch(watch, dir+"/"+name, unix.IN_OPEN|unix.IN_ACCESS); err != nil {
			t.Fatal(err)
		}
	}
	root := mustScan(t, dir, scan.Options{Xattr: all})
	for name, typ := range names {
		if n := root.Lookup(name); n == nil || n.Type() != typ {
			t.Errorf("%s: %+v", name, n)
		}
	}
	if n, err := unix.Read(watch, make([]byte, 4096)); err != unix.EAGAIN {
		t.Errorf("something was opened: %d bytes of events, %v", n, err)
	}
}

// TestPseudoFiles: what is not as long as it says, as files in /proc, is an error.
func TestPseudoFiles(t *testing.T) {
	const dir = "/proc/sys/kernel/random"
	if data, err := os.ReadFile(dir + "/uuid"); err != nil || len(data) == 0 {
		t.Skip("SKIPPED: no such file: ", err)
	}
	root, err := scan.Scan(dir, scan.Options{Put: scan.Sum(verity.SHA256), Xattr: all})
	if err == nil || !strings.Contains(err.Error(), dir+"/") {
		t.Errorf("error %v, and the tree\n%s", err, dump(t, root))
	}
}

// TestPermission: what cannot be read is an error, and named.
func TestPermission(t *testing.T) {
	dir := scratch(t)
	write(t, dir, map[string]string{"d/closed/x": "x"})
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(dir+"/d/closed", 0)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir+"/d/closed", 0o700)
	var err error
	done := make(chan bool)
	go func() {
		defer close(done)
		if os.Getuid() == 0 { // this thread, which opens the directories, is somebody else
			runtime.LockOSThread() // for ever: the thread ends with the goroutine
			if _, err = unix.SetfsuidRetUid(65534); err != nil {
				return
			}
		}
		_, err = scan.Scan(dir, scan.Options{Put: scan.Sum(verity.SHA256), Xattr: all})
	}()
	<-done
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), dir+"/d/closed") {
		t.Errorf("error %v, want that %s/d/closed may not be read", err, dir)
	}
}

// TestOptions: what is left out, and what is the same with any number of threads.
func TestOptions(t *testing.T) {
	dir := scratch(t)
	write(t, dir, map[string]string{"a": big, "d/b": "b"})
	if err := os.Link(dir+"/a", dir+"/d/a"); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := unix.Mknod(dir+"/null", unix.S_IFCHR, int(unix.Mkdev(1, 3))); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setxattr(dir+"/a", "user.x", []byte("1"), 0); err != nil {
		t.Log("SKIPPED: no user xattrs here: ", err)
	}
	put := scan.Sum(verity.SHA512)
	root := mustScan(t, dir, scan.Options{Put: put, Threads: 7, SkipDevices: true, Epoch: true, SplitLinks: true})
	for path, n := range tree.Walk(root) {
		if n.Mtime != (tree.Time{}) || n.Xattrs != nil {
			t.Errorf("%s has the time %v and xattrs %v", path, n.Mtime, n.Xattrs)
		}
	}
	if root.Lookup("null") != nil {
		t.Error("a device was not left out")
	}
	if a, b := root.Lookup("a"), root.Lookup("d").Lookup("a"); a == b || a.Object != b.Object {
		t.Error("two names have one inode, or other contents")
	}
	root = mustScan(t, dir, scan.Options{Put: put})
	if root.Lookup("a") != root.Lookup("d").Lookup("a") {
		t.Error("two names of a file have two inodes")
	}
	if left := openFiles(t); left > 0 {
		t.Errorf("%d descriptors are left open below the tree", left)
	}
}

// openFiles counts descriptors that lead into a folder for trees.
func openFiles(t *testing.T) (count int) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("SKIPPED: ", err)
	}
	for _, e := range list {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.Contains(target, "/cfs-scan-") {
			count++
		}
	}
	return count
}
