package lookup

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/repo"
)

// findByEROFS opens the container image that has the EROFS image found: of those with one
// config the first, by its digest.
func findByEROFS(r *repo.Repo, found Found) (*oci.Image, error) {
	names, err := r.Names(repo.Streams)
	if err != nil {
		return nil, err
	}
	images := map[digest.Digest]*oci.Image{} // by config
	var unread error
	for _, name := range names {
		kind, d, ok := oci.ParseName(name)
		if !ok || kind != oci.KindManifest {
			continue
		}
		image, err := oci.OpenImage(r, d)
		switch {
		case err != nil && !isAbsent(err) && unread == nil:
			unread = err
		case err == nil && images[image.Config.Digest] == nil && slices.Contains(slices.Collect(maps.Values(image.Config.Images)), found.ID):
			images[image.Config.Digest] = image
		}
	}
	switch {
	case unread != nil: // it may be the one, or one of several
		return nil, fmt.Errorf("find the container image of the EROFS image %s: %w", found.ID, unread)
	case len(images) == 0:
		return nil, missing.Errorf("%s: no container image has the EROFS image of that digest", found.Operand)
	case len(images) > 1:
		return nil, ambiguous(found.Operand, images)
	}
	return slices.Collect(maps.Values(images))[0], nil
}

func ambiguous(operand string, images map[digest.Digest]*oci.Image) error {
	var list []string
	for _, image := range images {
		list = append(list, "manifest "+image.Manifest.Digest.String())
	}
	slices.Sort(list)
	return fmt.Errorf("%s %w: it is the EROFS image of %s", operand, repo.ErrAmbiguous, strings.Join(list, ", "))
}
