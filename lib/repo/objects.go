package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// Small is the size in bytes up to which content is hashed before it is written:
// then its place is known, and what is there already is not written at all.
const Small = 256 << 10

// chunk is how much of a large file is read and written at once.
const chunk = 1 << 20

// buffers holds buffers of Small and of chunk bytes, and hashes, for reuse.
type buffers struct{ small, large, hashes sync.Pool }

func take(p *sync.Pool, size int) *[]byte {
	if b, ok := p.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, size)
	return &b
}

// hash returns a hash for the empty file, which may be put back into the pool.
func (r *Repo) hash() *verity.Hash {
	if h, ok := r.buffers.hashes.Get().(*verity.Hash); ok {
		h.Reset()
		return h
	}
	return r.Algorithm.New()
}

// sum returns the digest of data.
func (r *Repo) sum(data []byte) verity.ID {
	h := r.hash()
	defer r.buffers.hashes.Put(h)
	h.Write(data)
	return h.ID()
}

// sumFile returns the digest of what is left to read of f.
func (r *Repo) sumFile(f *os.File) (verity.ID, error) {
	h := r.hash()
	defer r.buffers.hashes.Put(h)
	b := take(&r.buffers.large, chunk)
	defer r.buffers.large.Put(b)
	for {
		n, err := f.Read(*b)
		h.Write((*b)[:n])
		if err == io.EOF {
			return h.ID(), nil
		}
		if err != nil {
			return verity.ID{}, err
		}
	}
}

// Put stores the size bytes that r gives as an object and returns its digest, and
// whether it was new. An object that is there is left alone if it is right, and
// replaced if it is not. Put may be called from several goroutines. What it stored
// is durable after the next Sync.
func (r *Repo) Put(in io.Reader, size int64) (id verity.ID, stored bool, err error) {
	if size > Small {
		return r.putLarge(in, size)
	}
	b := take(&r.buffers.small, Small)
	defer r.buffers.small.Put(b)
	data := (*b)[:size]
	if _, err := io.ReadFull(in, data); err != nil {
		return verity.ID{}, false, noEOF(err)
	}
	return r.PutBytes(data)
}

// PutBytes is Put for what is in memory.
func (r *Repo) PutBytes(data []byte) (id verity.ID, stored bool, err error) {
	id = r.sum(data)
	there, err := r.present(id, int64(len(data)))
	if err != nil || there == right {
		return id, false, err
	}
	dir := "objects/" + id.ObjectPath()[:2]
	t, err := r.newTemp(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := r.mkdir(dir); err != nil {
			return verity.ID{}, false, err
		}
		t, err = r.newTemp(dir)
	}
	if err != nil {
		return verity.ID{}, false, err
	}
	defer t.discard()
	if _, err := t.file.Write(data); err != nil {
		return verity.ID{}, false, fmt.Errorf("repository %s: %w", r.Path, cause(err))
	}
	return id, true, r.name(t, id, there)
}

// putLarge writes while it hashes.
func (r *Repo) putLarge(in io.Reader, size int64) (verity.ID, bool, error) {
	o, err := r.NewObject()
	if err != nil {
		return verity.ID{}, false, err
	}
	defer o.Discard()
	b := take(&r.buffers.large, chunk)
	defer r.buffers.large.Put(b)
	for left := size; left > 0; {
		data := (*b)[:min(left, chunk)]
		if _, err := io.ReadFull(in, data); err != nil {
			return verity.ID{}, false, noEOF(err)
		}
		if _, err := o.Write(data); err != nil {
			return verity.ID{}, false, err
		}
		left -= int64(len(data))
	}
	return o.Commit()
}

// Object is an object that is being written. It has no name, and is gone when it is
// discarded or its maker killed, until Commit.
type Object struct {
	temp *temp
	hash *verity.Hash
	size int64
}

// NewObject returns an empty Object. Discard must be called in the end.
func (r *Repo) NewObject() (*Object, error) {
	if err := r.mkdir("objects"); err != nil {
		return nil, err
	}
	t, err := r.newTemp("objects")
	if err != nil {
		return nil, err
	}
	return &Object{temp: t, hash: r.hash()}, nil
}

// Write adds data at the end.
func (o *Object) Write(data []byte) (int, error) {
	o.hash.Write(data)
	n, err := o.temp.file.Write(data)
	o.size += int64(n)
	if err != nil {
		err = fmt.Errorf("repository %s: %w", o.temp.repo.Path, cause(err))
	}
	return n, err
}

// Commit stores what was written as PutBytes does.
func (o *Object) Commit() (id verity.ID, stored bool, err error) {
	r := o.temp.repo
	id = o.hash.ID()
	there, err := r.present(id, o.size)
	if err != nil || there == right {
		return id, false, err
	}
	if err := r.mkdir("objects/" + id.ObjectPath()[:2]); err != nil {
		return verity.ID{}, false, err
	}
	return id, true, r.name(o.temp, id, there)
}

// Discard frees what Commit did not store.
func (o *Object) Discard() {
	o.temp.repo.buffers.hashes.Put(o.hash)
	o.temp.discard()
}

// name protects a written file and makes it the object id.
func (r *Repo) name(t *temp, id verity.ID, there presence) error {
	if err := r.seal(t, id); err != nil {
		return fmt.Errorf("object %s: %w", id, err)
	}
	path := "objects/" + id.ObjectPath()
	if there == wrong {
		return t.replace(path)
	}
	if err := t.link(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // somebody else was faster with the same bytes
}

// presence says what is found under the name of an object.
type presence int

const (
	missing presence = iota
	right
	wrong // not a file of the right size, or not protected as it should be
)

func (r *Repo) present(id verity.ID, size int64) (presence, error) {
	path := "objects/" + id.ObjectPath()
	var st unix.Stat_t
	switch err := unix.Fstatat(int(r.dir.Fd()), path, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == unix.ENOENT:
		return missing, nil
	case err != nil:
		return missing, &fs.PathError{Op: "stat", Path: r.Path + "/" + path, Err: err}
	case st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != size:
		return wrong, nil
	case !r.Secure:
		return right, nil
	}
	f, err := r.OpenObject(id)
	if corrupt.Is(err) {
		return wrong, nil
	}
	if err != nil {
		return missing, err
	}
	return right, f.Close()
}

// OpenObject opens an object for reading. In a secure repository it is first
// measured: the error is marked as corrupt if it is not protected, or not what its
// name says. The error wraps fs.ErrNotExist if there is no such object.
func (r *Repo) OpenObject(id verity.ID) (*os.File, error) {
	path := "objects/" + id.ObjectPath()
	fd, err := unix.Openat(int(r.dir.Fd()), path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", id, err)
	}
	f := os.NewFile(uintptr(fd), r.Path+"/"+path)
	if !r.Secure {
		return f, nil
	}
	if err := r.measure(f, id); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (r *Repo) measure(f *os.File, id verity.ID) error {
	got, err := verity.Measure(f)
	switch {
	case errors.Is(err, verity.ErrNotEnabled):
		return corrupt.Errorf("object %s: %w", id, err)
	case err != nil:
		return fmt.Errorf("object %s: %w", id, err)
	case got != id:
		return corrupt.Errorf("object %s: the kernel measures %s", id, got)
	}
	return nil
}

// ReadObject returns the content of an object that has at most max bytes.
func (r *Repo) ReadObject(id verity.ID, max int64) ([]byte, error) {
	f, err := r.OpenObject(id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(f, max)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", id, err)
	}
	return data, nil
}

// readAll reads a file that has at most max bytes, in memory of just that size.
func readAll(f *os.File, max int64) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, corrupt.Errorf("is no regular file")
	}
	if st.Size() > max {
		return nil, corrupt.Errorf("is larger than %d bytes", max)
	}
	data := make([]byte, st.Size())
	_, err = io.ReadFull(f, data)
	return data, noEOF(err)
}

// VerifyObject reports whether an object is there and is what its name says: by
// the kernel's word where it is protected, else by reading it. Its size comes back
// too.
func (r *Repo) VerifyObject(id verity.ID) (size int64, err error) {
	f, err := r.OpenObject(id)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !st.Mode().IsRegular() {
		return 0, corrupt.Errorf("object %s: is no regular file", id)
	}
	if r.Secure {
		return st.Size(), nil
	}
	if got, err := verity.Measure(f); err == nil && got == id {
		return st.Size(), nil
	}
	got, err := r.sumFile(f)
	if err != nil {
		return 0, fmt.Errorf("object %s: %w", id, err)
	}
	if got != id {
		return 0, corrupt.Errorf("object %s: its content has the digest %s", id, got)
	}
	return st.Size(), nil
}

// Objects gives the digest of each object, in order. A name that is no digest of
// the repository comes as an error that tells its path.
func (r *Repo) Objects() iter.Seq2[verity.ID, error] {
	return func(yield func(verity.ID, error) bool) {
		for b := range 256 {
			dir := fmt.Sprintf("objects/%02x", b)
			list, err := r.entries(dir)
			if err != nil && !yield(verity.ID{}, err) {
				return
			}
			for _, e := range list {
				id, ok := verity.ParseObjectPath(dir[len("objects/"):] + "/" + e.Name())
				var err error
				if !ok || r.Algorithm != 0 && id.Algorithm() != r.Algorithm || id.ObjectPath()[3:] != e.Name() {
					id, err = verity.ID{}, fmt.Errorf("%s/%s is not the name of an object", dir, e.Name())
				}
				if !yield(id, err) {
					return
				}
			}
		}
	}
}

// RemoveObject removes an object and returns the bytes that it had. The caller
// holds the exclusive lock and knows that nothing refers to it.
func (r *Repo) RemoveObject(id verity.ID) (size int64, err error) {
	path := "objects/" + id.ObjectPath()
	st, err := r.root.Lstat(path)
	if err != nil {
		return 0, err
	}
	return st.Size(), r.root.Remove(path)
}

// ObjectSize returns the size of an object in bytes, without opening it.
func (r *Repo) ObjectSize(id verity.ID) (int64, error) {
	st, err := r.root.Lstat("objects/" + id.ObjectPath())
	if err != nil {
		return 0, fmt.Errorf("object %s: %w", id, errors.Unwrap(err))
	}
	return st.Size(), nil
}

// ObjectsDir opens the directory of the objects, for the kernel to look them up.
func (r *Repo) ObjectsDir() (*os.File, error) { return r.root.Open("objects") }

// noEOF is for where the end of the input is too early.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
