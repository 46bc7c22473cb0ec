package signed

import (
	"errors"
	"io/fs"
	"strings"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/seal"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// CheckClaims compares the digests that are claimed of an image with what is stored, and looks at
// no signature. That none is claimed is no error. It costs nothing then.
func (i *Image) CheckClaims(r *repo.Repo) (warnings []string, err error) {
	claims, err := i.claims(r)
	if err != nil || !claims {
		return nil, err
	}
	_, warnings, err = i.Verify(r, seal.Wanted{Role: seal.Merged})
	if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
		err = nil
	}
	return warnings, err
}

// claims reports whether there may be something to compare.
func (i *Image) claims(r *repo.Repo) (bool, error) {
	for _, annotations := range []map[string]string{i.Manifest.Annotations, i.Manifest.Config.Annotations} {
		for key := range annotations {
			if strings.HasPrefix(key, "composefs.") {
				return true, nil
			}
		}
	}
	if len(i.Artifacts) > 0 {
		return true, nil
	}
	list, err := oci.Referrers(r, i.Digest)
	return len(list) > 0, err
}

// Summary says what is claimed of an image, as seal.Image.Summary does.
func (i *Image) Summary(r *repo.Repo) (sealed bool, signatures int, err error) {
	claims, err := i.claims(r)
	if err != nil || !claims {
		return false, 0, err
	}
	artifacts, _, err := i.artifacts(r)
	if err != nil {
		return false, 0, err
	}
	s := seal.Image{Manifest: i.Manifest, Artifacts: artifacts, Algorithm: r.Algorithm, IDs: map[seal.Role]verity.ID{}}
	if id, ok := i.Images[variant.Variant{Format: variant.V1}]; ok {
		s.IDs[seal.Merged] = id
	}
	sealed, signatures = s.Summary()
	return sealed, signatures, nil
}
