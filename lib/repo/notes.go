package repo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/objects"
)

// notesDir is our own folder in a repository. The reference passes it over.
const notesDir = "cfs"

// notePrefix begins the names, in notesDir, of notes that are being written: the folders of the
// reference keep their dates.
const notePrefix = ".note-"

// maxNote is the size in bytes of the largest note that is read. A writer keeps far below.
const maxNote = 1 << 20

// ReadNote returns a note, which is something that our tools remember about the
// repository, by a name such as "built/ab12". Notes are never flushed and prove nothing:
// the reader checks what one says, and does without it if it is damaged. The error wraps
// fs.ErrNotExist if there is none, and is marked as corrupt if that is no file, or too large.
func (r *Repo) ReadNote(name string) ([]byte, error) {
	f, err := r.root.OpenFile(notePath(name), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", notePath(name), cause(err))
	}
	defer f.Close()
	text, err := objects.ReadAll(f, maxNote)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", notePath(name), err)
	}
	return text, nil
}

// WriteNote writes or replaces a note in one step.
func (r *Repo) WriteNote(name string, text []byte) error {
	if err := r.mkdir(path.Dir(notePath(name))); err != nil {
		return err
	}
	between := notePath(notePrefix + strings.ToLower(rand.Text()[:12]))
	f, err := r.root.OpenFile(between, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = r.root.Rename(between, notePath(name))
	}
	if err != nil {
		return errors.Join(err, r.root.Remove(between))
	}
	return nil
}

// Notes lists the names of the notes in a folder, without the folder.
func (r *Repo) Notes(folder string) (names []string, err error) {
	list, err := r.entries(notePath(folder))
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names, err
}

// RemoveNote removes a note. That there is none is fine.
func (r *Repo) RemoveNote(name string) error {
	err := r.root.Remove(notePath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func notePath(name string) string { return notesDir + "/" + name }
