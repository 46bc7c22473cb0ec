package bootloader

import (
	"fmt"
	"slices"

	"cfs/lib/missing"
	"cfs/lib/verity"
)

// Remove says what is to be removed.
type Remove struct {
	Target // State is what is removed with an entry, "" for nothing
	ID     string
	Force  bool // also what is booted, and a ref whose entry may be in a folder that is not mounted
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
	folders, err := m.unusedKernels(w.left(), w.scan.Broken)
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
	if err == nil {
		err = m.checkPlace(w, kept[m.ID])
	}
	if err != nil {
		return w, err
	}
	if w.refs = m.refs(w, kept); len(w.entries) == 0 && len(w.refs) == 0 {
		return w, missing.Errorf("%s: no boot entry in %s, and no ref", m.ID, m.Folder.Path)
	}
	return w, m.checkBooted(w)
}

// checkPlace refuses to take a ref for one that a killed removal has left, where nothing has
// been installed: the partition of the boot loader may just not be mounted.
func (m Remove) checkPlace(w work, kept []verity.ID) error {
	if len(w.entries) > 0 || len(kept) == 0 || m.Force {
		return nil
	}
	used, err := m.Folder.Used()
	if err == nil && !used {
		err = fmt.Errorf("%s: no boot entry, but images/refs/%s keeps its image, and %s has no directory loader, so its partition may not be mounted: mount it, or remove the ref anyway with --force", m.ID, refOf(m.ID, kept[0]), m.Folder.Path)
	}
	return err
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
				return fmt.Errorf("%s is booted: --force removes it anyway", m.ID)
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
	folders, unknown := m.unusedKernels(w.left(), w.scan.Broken)
	if err := m.removeKernels(folders); err != nil {
		return err
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
		if err := removeState(m.State, image); err != nil {
			return err
		}
	}
	return nil
}
