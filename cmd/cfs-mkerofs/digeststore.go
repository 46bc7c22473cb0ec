package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"cfs/lib/scan"
	"cfs/lib/verity"
)

// copied is the size in bytes up to which a file is read into memory, where its
// digest is known before anything is written. A larger one shares its blocks with the
// object if the file system can do that.
const copied = 256 << 10

// digestStore is a directory that has the content of files under their digests, as
// mkcomposefs makes it: XX/YYYY...
type digestStore struct {
	alg     verity.Algorithm
	dir     *os.File
	buffers sync.Pool // of *[]byte, of copied bytes

	noTemp, noClone, noVerity atomic.Bool // what the file system has not
	stored                    atomic.Bool
}

// putIntoStore stores files in the digest store at name, which is made if it is not
// there. They are durable once done has returned.
func putIntoStore(name string, a verity.Algorithm) (put func(*scan.File) (verity.ID, error), done func() error, err error) {
	if err := os.MkdirAll(name, 0o755); err != nil {
		return nil, nil, err
	}
	s := &digestStore{alg: a}
	s.buffers.New = func() any { b := make([]byte, copied); return &b }
	if s.dir, err = os.Open(name); err != nil {
		return nil, nil, err
	}
	return s.put, s.close, nil
}

func (s *digestStore) close() error {
	var err error
	if s.stored.Load() {
		err = os.NewSyscallError("syncfs", unix.Syncfs(int(s.dir.Fd())))
	}
	return errors.Join(err, s.dir.Close())
}

func (s *digestStore) put(f *scan.File) (verity.ID, error) {
	b := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(b)
	if f.Size > copied {
		return s.putLarge(f, *b)
	}
	data := (*b)[:f.Size]
	if _, err := io.ReadFull(f, data); err != nil {
		return verity.ID{}, err
	}
	id := s.alg.Sum(data)
	if s.has(id, f.Size) {
		return id, nil
	}
	return id, s.write(func(t *os.File) (verity.ID, error) {
		_, err := t.Write(data)
		return id, err
	}, f.Size)
}

// putLarge hashes what it has written, or what it cannot see changed any more: the
// name must be true whatever happens to the file meanwhile.
func (s *digestStore) putLarge(f *scan.File, buffer []byte) (id verity.ID, err error) {
	err = s.write(func(t *os.File) (verity.ID, error) {
		var size int64
		if !s.noClone.Load() && unix.IoctlFileClone(int(t.Fd()), f.Fd()) == nil {
			id, size, err = s.alg.SumReader(t)
		} else {
			s.noClone.Store(true)
			hash := s.alg.New()
			size, err = io.CopyBuffer(io.MultiWriter(t, hash), io.LimitReader(f, f.Size), buffer)
			id = hash.ID()
		}
		if err == nil && size != f.Size {
			err = io.ErrUnexpectedEOF
		}
		return id, err
	}, f.Size)
	return id, err
}

// has reports whether an object is there, of the right size.
func (s *digestStore) has(id verity.ID, size int64) bool {
	var st unix.Stat_t
	err := unix.Fstatat(int(s.dir.Fd()), id.ObjectPath(), &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == size
}

// write stores what fill writes, under the digest that it returns.
func (s *digestStore) write(fill func(*os.File) (verity.ID, error), size int64) (err error) {
	t, named, err := s.temp()
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, t.Close())
		if named {
			err = errors.Join(err, os.Remove(t.Name()))
		}
	}()
	if err := t.Chmod(0o644); err != nil {
		return err
	}
	id, err := fill(t)
	if err != nil || s.has(id, size) {
		return err
	}
	if t, err = s.protect(t); err != nil {
		return err
	}
	return s.name(t, id)
}

// temp returns a file without a name, so that nothing is left when we are killed, or
// with one where there is nothing better.
func (s *digestStore) temp() (f *os.File, named bool, err error) {
	if !s.noTemp.Load() {
		fd, err := unix.Openat(int(s.dir.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
		if err == nil {
			return os.NewFile(uintptr(fd), s.dir.Name()), false, nil
		}
		s.noTemp.Store(true)
	}
	f, err = os.CreateTemp(s.dir.Name(), ".tmp")
	return f, true, err
}

// protect enables fs-verity if the file system has it, for which nobody may have the
// file open for writing, and returns it opened anew.
func (s *digestStore) protect(t *os.File) (*os.File, error) {
	if s.noVerity.Load() {
		return t, nil
	}
	fd, err := unix.Open(procPath(t), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return t, &fs.PathError{Op: "open", Path: t.Name(), Err: err}
	}
	ro := os.NewFile(uintptr(fd), t.Name())
	if err := t.Close(); err != nil {
		return ro, err
	}
	// As mkcomposefs does, it is tried, and no more than that.
	if errors.Is(verity.Enable(ro, s.alg), verity.ErrUnsupported) {
		s.noVerity.Store(true)
	}
	return ro, nil
}

// name makes t an object, in place of one of a wrong size.
func (s *digestStore) name(t *os.File, id verity.ID) error {
	dir, path := int(s.dir.Fd()), id.ObjectPath()
	link := func() error { return unix.Linkat(unix.AT_FDCWD, procPath(t), dir, path, unix.AT_SYMLINK_FOLLOW) }
	err := link()
	if err == unix.ENOENT {
		if err := unix.Mkdirat(dir, path[:2], 0o755); err != nil && err != unix.EEXIST {
			return &fs.PathError{Op: "mkdir", Path: s.dir.Name() + "/" + path[:2], Err: err}
		}
		err = link()
	}
	st, statErr := t.Stat()
	if err == unix.EEXIST && statErr == nil && !s.has(id, st.Size()) {
		if err = unix.Unlinkat(dir, path, 0); err == nil {
			err = link()
		}
	}
	if err != nil && err != unix.EEXIST { // somebody else was faster with the same bytes
		return &fs.PathError{Op: "link", Path: s.dir.Name() + "/" + path, Err: err}
	}
	s.stored.Store(true)
	return statErr
}

func procPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }
