package serve

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/erofs"
	"cfs/lib/fd"
	"cfs/lib/verity"
)

// Objects are the folders that have the content of files.
type Objects struct {
	Folders []*fd.Root // tried in this order

	// Measured has the kernel measure each object when it is opened. One that fs-verity does not protect, or with
	// another digest, is an error; so is a file of which the image has no digest.
	Measured bool

	// Hashed computes the digest of each object that is not measured, when it is opened, unless that was done and
	// neither its size nor its times have changed since.
	Hashed bool

	hashed sync.Map // by version: *check
}

// version is an object as it was at a time.
type version struct {
	dev, ino     uint64
	size         int64
	ctime, nsecs int64
	want         verity.ID
}

// check is that of a version, which is made once, however many open it.
type check struct {
	once sync.Once
	err  error
}

// open opens the object of a file. Its errors name it.
func (o *Objects) open(c erofs.Content) (*os.File, error) {
	name := c.Path
	if name == "" {
		name = c.Object.ObjectPath()
	}
	f, err := o.find(name)
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", name, err)
	}
	if err := o.check(f, c); err != nil {
		return nil, fmt.Errorf("object %s: %w", name, errors.Join(err, f.Close()))
	}
	return f, nil
}

// find opens a file in the first folder that has it. Nothing but a regular file is opened, and no link followed.
func (o *Objects) find(name string) (f *os.File, err error) {
	for _, folder := range o.Folders {
		f, err = folder.OpenRegular(name)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return f, err
}

func (o *Objects) check(f *os.File, c erofs.Content) error {
	var st unix.Stat_t
	err := fd.Use(f, func(n int) error { return unix.Fstat(n, &st) })
	if err != nil {
		return err
	}
	if st.Size < 0 || uint64(st.Size) != c.Size {
		return corrupt.Errorf("has %d bytes, and the image says %d", st.Size, c.Size)
	}
	switch {
	case o.Measured && c.Object.IsZero():
		return corrupt.Errorf("the image has no digest of it")
	case o.Measured:
		return verity.Check(f, c.Object)
	case !o.Hashed || c.Object.IsZero():
		return nil
	}
	v := version{uint64(st.Dev), st.Ino, st.Size, int64(st.Ctim.Sec), int64(st.Ctim.Nsec), c.Object}
	made, _ := o.hashed.LoadOrStore(v, new(check))
	ch := made.(*check)
	ch.once.Do(func() { ch.err = hash(f, st.Size, c.Object) })
	if ch.err != nil && !corrupt.Is(ch.err) {
		o.hashed.Delete(v) // nothing is known of it
	}
	return ch.err
}

// hash computes the digest of an object.
func hash(f *os.File, size int64, want verity.ID) error {
	got, _, err := want.Algorithm().SumReader(io.NewSectionReader(f, 0, size))
	if err == nil && got != want {
		err = corrupt.Errorf("its content has the digest %s", got)
	}
	return err
}
