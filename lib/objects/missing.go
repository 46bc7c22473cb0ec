package objects

import (
	"slices"

	"cfs/lib/verity"
)

// FirstMissing returns the first of some objects, which are sorted, that the store does not
// have, the zero ID if it has all of them. It lists the folders in which they would be, each
// once, which costs less than to ask for each object.
func (s *Store) FirstMissing(sorted []verity.ID) (verity.ID, error) {
	var there []verity.ID
	listed := -1 // the first byte of the digests in the folder
	for _, id := range sorted {
		if first := id.Bytes()[0]; int(first) != listed {
			var err error
			if there, _, err = s.Folder(first); err != nil {
				return verity.ID{}, err
			}
			slices.SortFunc(there, verity.ID.Compare)
			listed = int(first)
		}
		if _, ok := slices.BinarySearchFunc(there, id, verity.ID.Compare); !ok {
			return id, nil
		}
	}
	return verity.ID{}, nil
}
