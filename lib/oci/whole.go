package oci

import (
	"errors"
	"fmt"
	"slices"

	"cfs/lib/corrupt"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// ErrIncomplete means that the stream of a layer is there, but not all objects that it
// refers to. It comes marked as corrupt.
var ErrIncomplete = errors.New("some of its objects are missing")

// checkWhole checks by one listing of the store that all objects of layers, which objects
// returns, are there. That the stream of a layer has its name is no proof: an object may
// have been lost since.
func checkWhole(r *repo.Repo, layers []splitstream.Ref, objects func() ([]verity.ID, error)) error {
	if len(layers) == 0 {
		return nil
	}
	wanted, err := objects()
	if err != nil || len(wanted) == 0 {
		return err
	}
	missing, err := r.Objects.FirstMissing(wanted)
	if err != nil || missing.IsZero() {
		return err
	}
	return nameIncomplete(r, layers, missing)
}

// objectsOf returns the objects that the streams of layers refer to, sorted, each once.
func objectsOf(r *repo.Repo, layers []splitstream.Ref) ([]verity.ID, error) {
	var all []verity.ID
	for _, ref := range layers {
		s, closer, err := OpenStream(r, ref.ID)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", ref.Name, err)
		}
		all = append(all, s.Objects...)
		if err := closer.Close(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, verity.ID.Compare)
	return slices.Compact(all), nil
}

// nameIncomplete is the error about a missing object of one of layers.
func nameIncomplete(r *repo.Repo, layers []splitstream.Ref, missing verity.ID) error {
	for _, ref := range layers {
		of, err := objectsOf(r, []splitstream.Ref{ref})
		if err != nil {
			return err
		}
		if _, found := slices.BinarySearchFunc(of, missing, verity.ID.Compare); found {
			return corrupt.Errorf("layer %s: %w: %s is missing", ref.Name, ErrIncomplete, missing)
		}
	}
	return nil
}
