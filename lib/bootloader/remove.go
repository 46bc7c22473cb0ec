package bootloader

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"cfs/lib/esp"
	"cfs/lib/missing"
	"cfs/lib/verity"
)

// Remove says what is to be removed.
type Remove struct {
	Target // State is what is removed with an entry, "" for nothing
	ID     string
	Force  bool // also what is booted
}

// Prepare returns what there is to remove. The error wraps fs.ErrNotExist if there is neither
// an entry nor a ref.
func (m Remove) Prepare() ([]Action, error) {
	w, err := m.look()
	if err != nil {
		return nil, err
	}
	var actions []Action
	for _, e := range w.entries {
		actions = append(actions, Action{"remove", e.Path, 0})
	}
	folders, err := m.unused(w.left(), w.scan.Broken)
	for _, dir := range folders {
		actions = append(actions, Action{"remove", dir, 0})
	}
	return actions, err
}

// work is what a removal has to do.
type work struct {
	scan    *Scan
	entries []Entry
	refs    []verity.ID
}

// left returns the entries that stay.
func (w work) left() []Entry {
	return slices.DeleteFunc(slices.Clone(w.scan.Entries), func(e Entry) bool {
		return slices.ContainsFunc(w.entries, func(gone Entry) bool { return gone.Path == e.Path })
	})
}

func (m Remove) look() (w work, err error) {
	if w.scan, err = Read(m.Folder, m.Repo.Algorithm); err != nil {
		return w, err
	}
	w.entries = w.scan.find(m.ID)
	kept, err := refs(m.Repo)
	if err != nil {
		return w, err
	}
	if w.refs = m.refs(w, kept); len(w.entries) == 0 && len(w.refs) == 0 {
		return w, missing.Errorf("%s: no boot entry in %s, and no ref", m.ID, m.Folder.Path)
	}
	return w, m.checkBooted(w)
}

// refs returns the images whose refs go: those that the entry names, or if there is none, all
// of the ID, as after a removal that was killed.
func (m Remove) refs(w work, kept map[string][]verity.ID) (ids []verity.ID) {
	if len(w.entries) == 0 {
		return kept[m.ID]
	}
	for _, image := range kept[w.entries[0].ID] {
		if slices.ContainsFunc(w.entries, func(e Entry) bool { return slices.Contains(e.Images, image) }) {
			ids = append(ids, image)
		}
	}
	return ids
}

func (m Remove) checkBooted(w work) error {
	booted, err := Booted(m.Repo.Algorithm)
	if err != nil || m.Force {
		return err
	}
	for _, e := range w.entries {
		for _, image := range e.Images {
			if slices.Contains(booted, image) {
				return fmt.Errorf("%s is booted: --force removes it all the same", m.ID)
			}
		}
	}
	return nil
}

// Run removes the entry, then the kernels that no entry names, then the ref, each durably. It
// may be killed and run again.
func (m Remove) Run() error {
	if _, err := m.look(); err != nil {
		return err
	}
	if err := m.Folder.Begin(m.Lock); err != nil {
		return err
	}
	w, err := m.look()
	if err != nil {
		return err
	}
	m.warn(w.scan.Warnings)
	for _, e := range w.entries {
		if err := m.Folder.Remove(e.Path); err != nil {
			return err
		}
	}
	folders, unknown := m.unused(w.left(), w.scan.Broken)
	for _, dir := range folders {
		if err := m.Folder.RemoveKernels(dir); err != nil {
			return err
		}
	}
	if err := m.dropRefs(w); err != nil {
		return err
	}
	return unknown
}

func (m Remove) dropRefs(w work) error {
	id := m.ID
	if len(w.entries) > 0 {
		id = w.entries[0].ID
	}
	for _, image := range w.refs {
		if err := dropRef(m.Repo, id, image); err != nil {
			return err
		}
		if m.State == "" || slices.ContainsFunc(w.left(), func(e Entry) bool { return slices.Contains(e.Images, image) }) {
			continue
		}
		if err := os.RemoveAll(StateOf(m.State, image)); err != nil {
			return err
		}
	}
	return nil
}

// unused returns the folders of kernels that none of some entries names. If there are entries
// that could not be read, which may name any, it is none, and an error.
func (m Remove) unused(left []Entry, broken []error) (dirs []string, err error) {
	if len(broken) > 0 {
		return nil, fmt.Errorf("all folders of kernels stay, as an entry could not be read: %v", errors.Join(broken...)) // not what is asked for is damaged
	}
	list, err := m.Folder.List(".")
	for _, e := range list {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), esp.KernelFolder) {
			continue
		}
		prefix := esp.Fold(e.Name()) + "/"
		used := func(e Entry) bool {
			return slices.ContainsFunc(e.Files, func(f string) bool { return strings.HasPrefix(esp.Fold(f), prefix) })
		}
		if !slices.ContainsFunc(left, used) {
			dirs = append(dirs, e.Name())
		}
	}
	slices.Sort(dirs)
	return dirs, err
}
