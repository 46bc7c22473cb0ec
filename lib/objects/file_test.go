package objects

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// refusing returns an object whose first page can be read, and whose second one the kernel
// refuses with EIO: the memory of this process, where nothing is mapped.
func refusing(t *testing.T) (f *File, at int64) {
	t.Helper()
	page := os.Getpagesize()
	memory, err := unix.Mmap(-1, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	copy(memory, "text")
	start := uintptr(unsafe.Pointer(&memory[0]))
	if _, _, errno := unix.Syscall(unix.SYS_MUNMAP, start+uintptr(page), uintptr(page), 0); errno != 0 {
		t.Fatal(errno)
	}
	file, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &File{file: file, id: verity.SHA256.Sum(nil), size: int64(2 * page)}, int64(start)
}

// TestRefused: content that the kernel refuses twice is damage of the object, though
// nobody has seen that it is corrupt.
func TestRefused(t *testing.T) {
	f, at := refusing(t)
	page := int64(os.Getpagesize())
	for _, v := range []struct{ offset, n, want int64 }{{0, 4, 4}, {page, 4, 0}, {page - 2, 4, 2}, {0, 2 * page, page}} {
		p := make([]byte, v.n)
		n, err := f.ReadAt(p, at+v.offset)
		if n != int(v.want) || (err != nil) != (v.want < v.n) {
			t.Errorf("%d bytes at %d: got %d, %v", v.n, v.offset, n, err)
		}
		if err != nil && (!corrupt.IsUnreadable(err) || corrupt.Is(err) || !errors.Is(err, unix.EIO)) {
			t.Errorf("%d bytes at %d: %v", v.n, v.offset, err)
		}
	}
	if _, err := f.file.Seek(at+page, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Read(make([]byte, 4)); n != 0 || !corrupt.IsUnreadable(err) {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

// TestReadErrors: other errors say nothing about the object.
func TestReadErrors(t *testing.T) {
	f, _ := refusing(t)
	f.Close()
	_, err := f.Read(make([]byte, 1))
	_, errAt := f.ReadAt(make([]byte, 1), 0)
	for _, err := range []error{err, errAt} {
		if !errors.Is(err, fs.ErrClosed) || corrupt.IsDamage(err) {
			t.Errorf("closed: %v", err)
		}
	}
}

// TestOpenOdd: what is not a regular file is corrupt, whatever it is, and never waited for; and
// an object whose folder is a file is missing.
func TestOpenOdd(t *testing.T) {
	s := plain(t)
	id := verity.SHA256.Sum([]byte("text"))
	for name, odd := range map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink("/etc/passwd", path) },
		"dangling":  func(path string) error { return os.Symlink("nowhere", path) },
		"directory": func(path string) error { return os.Mkdir(path, 0o755) },
		"FIFO":      func(path string) error { return unix.Mkfifo(path, 0o644) },
		"socket":    func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o644, 0) },
	} {
		if err := s.mkdir("objects/" + id.ObjectPath()[:2]); err != nil {
			t.Fatal(err)
		}
		if err := odd(s.file(id)); err != nil {
			t.Fatal(err)
		}
		f, err := s.Open(id)
		if !corrupt.Is(err) || !errors.Is(err, ErrNotRegular) || err.Error() != "object "+id.String()+": is not a regular file" {
			t.Errorf("%s: %v, %v", name, f, err)
		}
		if err := os.Remove(s.file(id)); err != nil {
			t.Fatal(err)
		}
	}
	dir := s.root.Name() + "/objects/" + id.ObjectPath()[:2]
	if err := errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Open(id)
	_, sizeErr := s.Size(id)
	for _, err := range []error{err, sizeErr} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file in place of its folder: %v", err)
		}
	}
}
