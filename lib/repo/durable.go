package repo

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// A name may have been made by a process that was killed before it could flush it, or by one
// that is about to. So whoever promises that something is stored flushes the names that it
// found too, not only those that it made.

// names are the folders of a repository that have to be flushed, by their paths relative
// to it.
type names struct {
	mu sync.Mutex

	// relied has the folders with names that were made, removed or found, and that were not
	// flushed since.
	relied map[string]bool

	// rooted has the folders whose own names were flushed, since they were found or made.
	rooted map[string]bool
}

// rely notes that a name in a folder is relied on.
func (n *names) rely(folder string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.relied == nil {
		n.relied = make(map[string]bool)
	}
	n.relied[folder] = true
}

// made notes that a folder was made.
func (n *names) made(folder string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.rooted, folder)
}

// FoundName notes that the caller relies on a first-level name that it has found. It is
// durable after SyncNames, whoever made it.
func (r *Repo) FoundName(c Category) { r.names.rely(string(c)) }

// FoundRef is FoundName for a ref.
func (r *Repo) FoundRef(c Category, ref string) { r.names.rely(path.Dir(refPath(c, ref))) }

// SyncNames makes durable all names and refs that were made, removed or found since the last
// time, with the folders on the way to them. A folder that has been removed meanwhile, as that
// of leases is by whoever links their image, is no error: its names have ended.
func (r *Repo) SyncNames() error {
	n := &r.names
	n.mu.Lock()
	defer n.mu.Unlock()
	flush, rooted := n.due()
	for _, folder := range flush {
		err := r.root.SyncDir(folder)
		if errors.Is(err, fs.ErrNotExist) {
			delete(rooted, folder)
			continue
		}
		if err != nil {
			return err
		}
	}
	n.relied = nil
	if n.rooted == nil {
		n.rooted = make(map[string]bool)
	}
	maps.Copy(n.rooted, rooted)
	return nil
}

// due returns the folders that have to be flushed, and those whose own names are durable
// then.
func (n *names) due() (flush []string, rooted map[string]bool) {
	all := maps.Clone(n.relied)
	rooted = make(map[string]bool)
	for folder := range n.relied {
		for ; folder != "."; folder = path.Dir(folder) {
			if !n.rooted[folder] {
				rooted[folder] = true
				all[path.Dir(folder)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all)), rooted
}

// syncParent makes durable the name of the repository itself. A user may be allowed to make
// something in a folder that he is not allowed to read, and so cannot flush: then it is up to
// the file system when the name gets to the disk.
func syncParent(repository string) error {
	d, err := os.OpenFile(repository+"/..", os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
