package objects

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/uptime"
	"cfs/lib/verity"
)

// failedMark ends the text of a mark whose writer could not flush.
const failedMark = "failed\n"

// maxMark is more than the size of any mark in bytes.
const maxMark = 4096

// place is where a mark was made: what is in memory there is what was written. It is empty
// as far as that cannot be found out.
type place struct {
	boot  uptime.Boot
	mount string
}

func (p place) text() string { return p.bootLine() + p.mountLine() }

func (p place) bootLine() string  { return "boot " + string(p.boot) + "\n" }
func (p place) mountLine() string { return "mount " + p.mount + "\n" }

// here returns the boot of the machine and the mount of the store, by the ID that no other
// mount of this boot gets.
func (s *Store) here() (p place) {
	if boot, err := uptime.ThisBoot(); err == nil {
		p.boot = boot
	}
	var st unix.Statx_t
	err := fd.Use(s.dir, func(n int) error { return unix.Statx(n, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID_UNIQUE, &st) })
	if err == nil && st.Mask&unix.STATX_MNT_ID_UNIQUE != 0 {
		p.mount = fmt.Sprint(st.Mnt_id)
	}
	return p
}

// foundRight returns what an object is that has the right size.
func (s *Store) foundRight(id verity.ID) (presence, error) {
	t := s.look()
	if t == trusted {
		return right, nil
	}
	if _, ok := s.marks.sound.Load(id); ok {
		return right, nil
	}
	if t == distrusted {
		return wrong, nil
	}
	_, err := s.verify(id, false)
	switch {
	case err == nil:
		s.marks.sound.Store(id, nil)
		return right, nil
	case corrupt.Is(err), corrupt.IsUnreadable(err):
		return wrong, nil
	case errors.Is(err, fs.ErrNotExist):
		return missing, nil
	}
	return missing, err
}

// look returns how far objects that are found can be trusted, by the marks of others. It
// looks once: a writer that begins, or is killed, later leaves what memory has right. An
// error makes it doubt.
func (s *Store) look() trust {
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.looked {
		return m.trust
	}
	m.looked = true
	if !s.hasMarks() {
		m.trust = doubted
		return m.trust
	}
	list, err := s.markNames()
	if err != nil {
		m.trust = doubted
	}
	here := s.here()
	for _, name := range list {
		t, lives := s.readMark(name, here)
		m.trust = max(m.trust, t)
		if t == trusted && !lives {
			m.covered = append(m.covered, name)
		}
	}
	return m.trust
}

// markNames lists the marks that there are, relative to the root.
func (s *Store) markNames() (names []string, err error) {
	list, err := s.entries(s.config.Marks)
	for _, e := range list {
		if strings.HasPrefix(e.Name(), markPrefix) {
			names = append(names, s.config.Marks+"/"+e.Name())
		}
	}
	return names, err
}

// readMark returns what a mark says of the objects that its writer has stored, and whether
// the writer lives.
func (s *Store) readMark(name string, here place) (t trust, lives bool) {
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return trusted, true // it has flushed, and ended
	}
	if err != nil {
		return doubted, false
	}
	defer f.Close()
	if _, err := regular(f); err != nil {
		return doubted, false
	}
	err = fd.Use(f, func(n int) error { return unix.Flock(n, unix.LOCK_SH|unix.LOCK_NB) })
	lives = err == unix.EWOULDBLOCK
	text, err := io.ReadAll(io.LimitReader(f, maxMark))
	if err != nil {
		return doubted, lives
	}
	return here.judge(string(text), lives), lives
}

// judge is readMark for the text of a mark.
func (p place) judge(text string, lives bool) trust {
	failed := strings.HasSuffix(text, failedMark)
	switch {
	case failed && p.boot != "" && strings.HasPrefix(text, p.bootLine()):
		return distrusted
	case !failed && lives:
		return trusted
	case !failed && p.boot != "" && p.mount != "" && text == p.text():
		return trusted
	}
	return doubted
}

// RemoveDeadMarks removes the marks of writers that live no more. The caller keeps writers
// out, and has removed all objects that nothing refers to: what is referred to was flushed
// before.
func (s *Store) RemoveDeadMarks() error {
	if !s.hasMarks() {
		return nil
	}
	list, err := s.markNames()
	if err != nil {
		return err
	}
	here := s.here()
	for _, name := range list {
		if _, lives := s.readMark(name, here); lives {
			continue
		}
		if err := s.removeMark(name); err != nil {
			return err
		}
	}
	return nil
}
