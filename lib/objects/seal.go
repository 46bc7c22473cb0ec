package objects

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/verity"
)

// seal ends writing and protects the file by fs-verity where the file system can. In a
// secure store it must, and if want is not zero, what the kernel measures must be that.
func (t *temp) seal(want verity.ID) error {
	s := t.store
	if !s.config.Secure && s.noVerity.Load() {
		return nil
	}
	if err := t.readOnly(); err != nil {
		return err
	}
	err := enable(t.file, s.config.Algorithm)
	if errors.Is(err, verity.ErrUnsupported) && !s.config.Secure {
		s.noVerity.Store(true)
		return nil
	}
	if s.config.Lenient {
		return nil
	}
	if err != nil || want.IsZero() {
		return err
	}
	got, err := verity.Measure(t.file)
	if err == nil && got != want {
		err = corrupt.Errorf("the kernel measures %s, but %s was written", got, want)
	}
	return err
}

// readOnly opens the file again, and closes it for writing.
func (t *temp) readOnly() error {
	var ro *os.File
	err := fd.Use(t.file, func(n int) (err error) {
		ro, err = os.Open(fd.Path(n))
		return err
	})
	if err != nil {
		return err
	}
	err = t.file.Close()
	t.file = ro
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

// newMetaTemp makes a file in the root, whose folder of objects need not be there yet.
func (s *Store) newMetaTemp() (*temp, error) {
	if s.config.Secure && s.needsNames() {
		return readable(s.named("."))
	}
	return s.newTemp(".")
}

// WriteMeta writes a file that describes the store, under a name beside its folder, and
// flushes it before it has that name. In a secure store it is protected by fs-verity as the
// objects are, and in others never, so that it tells the two kinds apart. The error wraps
// fs.ErrExist if the name is taken, and verity.ErrUnsupported if the file cannot be
// protected. The name is durable when the folder is synced.
func (s *Store) WriteMeta(name string, text []byte) error {
	t, err := s.newMetaTemp()
	if err != nil {
		return err
	}
	defer t.discard()
	if _, err := t.file.Write(text); err != nil {
		return err
	}
	if err := t.file.Sync(); err != nil {
		return err
	}
	if s.config.Secure {
		if err := t.seal(verity.ID{}); err != nil {
			return err
		}
	}
	return t.link(name)
}
