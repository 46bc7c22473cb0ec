package objects

import (
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// presence is what was found under the name of an object.
type presence int

const (
	missing presence = iota
	right
	wrong // not a file of the right size, not protected as it should be, or torn
)

func (s *Store) present(id verity.ID, size int64) (presence, error) {
	st, err := s.stat(id)
	switch {
	case err == unix.ENOENT:
		return missing, nil
	case err != nil:
		return missing, s.fail("stat", s.path(id), err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != size:
		return wrong, nil
	case !s.config.Secure:
		return s.foundRight(id)
	}
	f, err := s.Open(id)
	if corrupt.Is(err) || corrupt.IsUnreadable(err) {
		return wrong, nil
	}
	if err != nil {
		return missing, err
	}
	return right, f.Close()
}

// stat returns the status of what has the name of an object, or a bare error, which is
// unix.ENOENT if nothing has.
func (s *Store) stat(id verity.ID) (st unix.Stat_t, err error) {
	err = s.use(s.folder(id), func(dir int) error { return unix.Fstatat(dir, base(id), &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, absent(err)
}
