package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// Small is the size in bytes up to which content is hashed before it is written:
// then its place is known, and what is there already is not written at all.
const Small = 256 << 10

// chunk is how much of a large file is read and written at once.
const chunk = 1 << 20

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
		return verity.ID{}, false, corrupt.UnexpectedEOF(err)
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
			return verity.ID{}, false, corrupt.UnexpectedEOF(err)
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
