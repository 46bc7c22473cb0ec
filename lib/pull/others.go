package pull

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"cfs/lib/corrupt"
	"cfs/lib/repo"
	"cfs/lib/temporary"
)

// objectsFolder is the folder of a repository in which its objects are.
const objectsFolder = "objects"

// others are the repositories from which objects are read, besides the one into which they are stored. Each
// stays open, with its shared lock, until the end: its collector waits.
type others struct {
	mu   sync.Mutex
	open map[string]*repo.Repo
}

// get returns the repository at path, and opens it if it is the first time.
func (o *others) get(path string, open func(string) (*repo.Repo, error)) (*repo.Repo, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r := o.open[path]; r != nil {
		return r, nil
	}
	r, err := open(path)
	if err != nil {
		return nil, err
	}
	if o.open == nil {
		o.open = make(map[string]*repo.Repo)
	}
	o.open[path] = r
	return r, nil
}

func (o *others) close() (err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.open {
		err = errors.Join(err, r.Close())
	}
	o.open = nil
	return err
}

// from returns the repository that has the objects of a layer's form.
func (i *Importer) from(l Layer) (*repo.Repo, error) {
	if l.Dirs == "" {
		return i.repo, nil
	}
	if i.OpenFrom == nil {
		return nil, fmt.Errorf("dirs=%q: no other repositories are read here", l.Dirs)
	}
	r, err := i.others.get(filepath.Dir(l.Dirs), i.OpenFrom)
	if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
		return nil, temporary.Errorf("dirs=%q: %w", l.Dirs, err)
	}
	return r, err
}

// lost is the error about something that another repository does not have: damage, as long as the layer's name
// still leads there, for what has a name is not collected; else the image was removed meanwhile.
func (i *Importer) lost(l Layer, err error) error {
	if l.Form == FormTarSplit {
		return temporary.Errorf("%w: the image was removed meanwhile, or its files were", err)
	}
	from, openErr := i.from(l)
	if openErr != nil {
		return openErr
	}
	id, named := from.Lookup(repo.Streams, l.streamName())
	if named == nil && filepath.Join(from.Path, objectsFolder, id.ObjectPath()) == filepath.Clean(l.Path) {
		return corrupt.Errorf("%w: repository %s is damaged: run cfs-gc --repo %[2]q check", err, from.Path)
	}
	return temporary.Errorf("%w: it has been removed from repository %s meanwhile", err, from.Path)
}
