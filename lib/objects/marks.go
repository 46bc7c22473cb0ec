package objects

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/verity"
)

// An object gets its name before it is flushed, so that many share one flush. A power cut
// can leave one of the right size that holds zeros. In a secure store the kernel tells. In
// others each writer makes a mark before its first object: a file in Config.Marks, locked
// while the writer lives, and removed when all that it wrote is on disk. So a mark that is
// found without its writer says that objects may not be what they seem, see trust.

// markPrefix begins the names of marks.
const markPrefix = "unflushed-"

// trust says what is known of an object that has been found, and has the right size.
type trust int

const (
	trusted    trust = iota // it is whole
	doubted                 // a power cut may have cut it: it is hashed
	distrusted              // memory has it, but the disk may not: it is stored again
)

// marks are the mark of this writer, and what those of others say.
type marks struct {
	written atomic.Int64 // changes with each object that gets its name
	sound   sync.Map     // objects that were stored or hashed here, unless all are trusted

	mu      sync.Mutex
	own     *os.File // locked; nil before the first object
	name    string   // of own, relative to the root
	flushed int64    // what written was when all was flushed
	failed  error    // of a flush

	looked  bool
	trust   trust
	covered []string // marks of writers that were killed: the next flush is theirs too
}

// hasMarks reports whether writers of this store make marks.
func (s *Store) hasMarks() bool { return s.config.Marks != "" && !s.config.Secure }

// mark makes the mark of this writer, durably, if there is none.
func (s *Store) mark() error {
	if !s.hasMarks() {
		return nil
	}
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.own != nil {
		return nil
	}
	if err := s.mkdirOne(s.config.Marks); err != nil {
		return err
	}
	t, err := s.newTemp(".")
	if err != nil {
		return err
	}
	name := s.config.Marks + "/" + markPrefix + strings.ToLower(rand.Text()[:12])
	if err := s.nameMark(t, name); err != nil {
		return errors.Join(err, t.discard())
	}
	m.own, m.name = t.file, name
	return nil
}

// nameMark gives a mark its name when it is locked and has its text. The file itself need
// not be flushed: an empty mark says the same after a power cut.
func (s *Store) nameMark(t *temp, name string) error {
	if _, err := t.file.WriteString(s.here().text()); err != nil {
		return s.failWrite(err)
	}
	if err := fd.Use(t.file, func(n int) error { return unix.Flock(n, unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		return s.fail("flock", name, err)
	}
	if err := t.link(name); err != nil {
		return err
	}
	if t.name != "" {
		if err := s.root.Remove(t.name); err != nil {
			return err
		}
		t.name = ""
	}
	return errors.Join(s.root.SyncDir(s.config.Marks), s.root.SyncDir("."))
}

// unmark removes the mark of this writer if all that it wrote is on disk.
func (s *Store) unmark() error {
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.own == nil {
		return nil
	}
	var err error
	if m.failed == nil && m.flushed == m.written.Load() {
		err = s.removeMark(m.name)
	}
	err = errors.Join(err, m.own.Close())
	m.own = nil
	return err
}

func (s *Store) removeMark(name string) error {
	if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Sync makes durable all that was written to the file system of the store so far, also by
// others. After an error nothing that is in memory proves what is on disk: then all later
// calls fail as well, and other writers learn it from the mark.
func (s *Store) Sync() error {
	m := &s.marks
	written := m.written.Load()
	m.mu.Lock()
	failed, covered := m.failed, m.covered
	m.mu.Unlock()
	if failed != nil {
		return failed
	}
	if err := fd.Use(s.dir, unix.Syncfs); err != nil {
		return s.failFlush(os.NewSyscallError("syncfs", err))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flushed = written
	for _, name := range covered {
		if err := s.removeMark(name); err != nil {
			return err
		}
	}
	m.covered = m.covered[len(covered):]
	return nil
}

// failFlush remembers that a flush has failed, for others in the mark.
func (s *Store) failFlush(failed error) error {
	err := s.mark()
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = failed
	if err == nil && m.own != nil {
		_, err = m.own.WriteString(failedMark)
	}
	if err != nil {
		return fmt.Errorf("%w; and the next writer does not learn of it: %w", failed, err)
	}
	return failed
}

// named notes that an object gets its name now, and again that it has it: a flush in
// between may not have covered it.
func (m *marks) named(id verity.ID) {
	m.written.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.looked && m.trust != trusted {
		m.sound.Store(id, nil)
	}
}
