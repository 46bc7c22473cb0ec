package objects

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"cfs/lib/verity"
)

// FirstMissing returns the first of some objects, which are sorted, that the store does not
// have, the zero ID if it has all of them. It lists the folders in which they would be, each
// once, which costs less than to ask for each object.
func (s *Store) FirstMissing(sorted []verity.ID) (verity.ID, error) {
	there := make(map[string]struct{})
	var name []byte
	listed := -1 // the first byte of the digests in the folder
	for _, id := range sorted {
		digest := id.Bytes()
		if first := int(digest[0]); first != listed {
			listed = first
			if err := s.names(there, fmt.Sprintf("%02x", first)); err != nil {
				return verity.ID{}, err
			}
		}
		name = hex.AppendEncode(name[:0], digest[1:])
		if _, ok := there[string(name)]; !ok {
			return id, nil
		}
	}
	return verity.ID{}, nil
}

// names makes set hold what is in a folder of the store.
func (s *Store) names(set map[string]struct{}, dir string) error {
	clear(set)
	d, err := s.root.OpenDir(s.in(dir))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	list, err := d.Readdirnames(-1)
	for _, name := range list {
		set[name] = struct{}{}
	}
	return err
}
