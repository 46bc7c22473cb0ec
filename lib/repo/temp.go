package repo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// tempPrefix begins the names of unfinished objects where the file system has no
// O_TMPFILE; they stand in objects/ itself, where gc finds them.
const tempPrefix = ".tmp-object-"

// temp is a file of the repository that has no final name yet. Where the file
// system can, it has no name at all: being killed leaves nothing to clean.
type temp struct {
	repo *Repo
	file *os.File
	name string // "" for a file without a name
}

// newTemp makes a file in the directory dir, of mode 0644 whatever the umask.
func (r *Repo) newTemp(dir string) (*temp, error) {
	fd, err := unix.Openat(int(r.dir.Fd()), dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
	t := &temp{repo: r}
	switch err {
	case nil:
		t.file = os.NewFile(uintptr(fd), "temporary file in "+dir)
	case unix.EOPNOTSUPP, unix.EISDIR, unix.ENOSYS:
		if err := r.mkdir("objects"); err != nil {
			return nil, err
		}
		t.name = "objects/" + tempPrefix + strings.ToLower(rand.Text()[:12])
		if t.file, err = r.root.OpenFile(t.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
			return nil, err
		}
	default:
		return nil, &fs.PathError{Op: "open", Path: r.Path + "/" + dir, Err: err}
	}
	if err := t.file.Chmod(0o644); err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

// Temp returns a file without a name on the repository's file system, for what
// does not fit into memory. Closing it frees it.
func (r *Repo) Temp() (*os.File, error) {
	t, err := r.newTemp(".")
	if err != nil {
		return nil, err
	}
	if t.name != "" {
		if err := r.root.Remove(t.name); err != nil {
			return nil, err
		}
	}
	return t.file, nil
}

// seal ends writing and protects the file by fs-verity where the file system can.
// In a secure repository it must, and if want is given, what the kernel measures
// must be that.
func (r *Repo) seal(t *temp, want verity.ID) error {
	if !r.Secure && r.noVerity.Load() {
		return nil
	}
	ro, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", t.file.Fd()))
	if err != nil {
		return err
	}
	if err := t.file.Close(); err != nil {
		ro.Close()
		return err
	}
	t.file = ro
	err = enable(ro, r.Algorithm)
	if errors.Is(err, verity.ErrUnsupported) && !r.Secure {
		r.noVerity.Store(true)
		return nil
	}
	if err != nil || want.IsZero() {
		return err
	}
	got, err := verity.Measure(ro)
	if err == nil && got != want {
		err = corrupt.Errorf("the kernel measures %s, written was %s", got, want)
	}
	return err
}

// enable waits a little for a process that was forked while the file was open for
// writing, and that has not yet come to its exec.
func enable(f *os.File, a verity.Algorithm) error {
	for try := 0; ; try++ {
		err := verity.Enable(f, a)
		if !errors.Is(err, unix.ETXTBSY) || try == 100 {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// link gives the file its final name; fs.ErrExist if somebody has that.
func (t *temp) link(name string) error {
	dir := int(t.repo.dir.Fd())
	var err error
	if t.name == "" {
		err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", t.file.Fd()), dir, name, unix.AT_SYMLINK_FOLLOW)
	} else if err = unix.Renameat2(dir, t.name, dir, name, unix.RENAME_NOREPLACE); err == nil {
		t.name = ""
	}
	if err != nil {
		return &fs.PathError{Op: "link", Path: t.repo.Path + "/" + name, Err: err}
	}
	return nil
}

// replace gives the file its final name, whoever has that.
func (t *temp) replace(name string) error {
	if t.name == "" {
		between := "objects/" + tempPrefix + strings.ToLower(rand.Text()[:12])
		if err := t.link(between); err != nil {
			return err
		}
		t.name = between
	}
	err := t.repo.root.Rename(t.name, name)
	if err == nil {
		t.name = ""
	}
	return err
}

// discard closes the file, and removes it if it did not get a final name.
func (t *temp) discard() error {
	err := t.file.Close()
	if t.name != "" {
		err = errors.Join(err, t.repo.root.Remove(t.name))
	}
	return err
}
