package build

import (
	"fmt"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// HashError is the error of a search for an image that the repository cannot have: its
// digest is by another hash.
type HashError struct {
	Expected   verity.ID
	Repository verity.Algorithm
}

func (e *HashError) Error() string {
	return fmt.Sprintf("--expected-digest %s: the repository is of %s", e.Expected, e.Repository)
}

// Search finds the boot variant of the container whose image has the expected digest. The
// order is the reference's. It returns the recipe of that image too, nil if the repository has
// it already: known are the images that the container has, by variant.Variant.Key. The error
// is marked as corrupt if no variant has the digest.
func (c *Container) Search(expected verity.ID, known map[string]verity.ID) (variant.Variant, *Recipe, error) {
	if expected.Algorithm() != c.repo.Algorithm {
		return variant.Variant{}, nil, &HashError{expected, c.repo.Algorithm}
	}
	for _, mode := range variant.XattrModes() {
		format, ok, err := c.has(expected, mode, known)
		if err != nil {
			return variant.Variant{}, nil, err
		}
		if ok {
			return variant.Variant{Boot: true, Format: format, Xattrs: mode}, nil, nil
		}
		x, err := c.searchFormats(expected, mode)
		if err != nil {
			return variant.Variant{}, nil, err
		}
		if x != nil {
			return variant.Variant{Boot: true, Format: x.Format, Xattrs: mode}, x, nil
		}
	}
	return variant.Variant{}, nil, corrupt.Errorf("no boot image has the digest %s: tried the xattrs of %s and of %s, each in the formats 1 and 2",
		expected, variant.AllowlistOnly, variant.KeepUserXattrs)
}

// Found says for people by which options an expected image was made.
func Found(id verity.ID, v variant.Variant) string {
	return fmt.Sprintf("boot image %s: --xattrs %s --erofs-version %d", id, v.Xattrs, v.Format)
}

// has reports whether the expected image is a known one of an xattr mode, and returns its
// format. One that is lost or damaged is not: it may be made again.
func (c *Container) has(expected verity.ID, mode variant.XattrMode, known map[string]verity.ID) (f variant.Format, ok bool, err error) {
	for _, format := range []variant.Format{variant.V1, variant.V2} {
		if known[variant.Variant{Boot: true, Format: format, Xattrs: mode}.Key()] != expected {
			continue
		}
		image, err := oci.OpenEROFS(c.repo, expected)
		switch {
		case err == nil:
			return image.Format(), true, nil
		case !corrupt.OrMissing(err):
			return 0, false, err
		}
	}
	return 0, false, nil
}

// searchFormats returns the recipe by which the boot variant of an xattr mode has the
// expected digest, nil if it has that in no format.
func (c *Container) searchFormats(expected verity.ID, mode variant.XattrMode) (*Recipe, error) {
	root, err := c.Tree(mode)
	if err == nil {
		err = c.Boot(root)
	}
	if err != nil {
		return nil, err
	}
	x := &Recipe{Root: root, Algorithm: c.repo.Algorithm, UnsignedTimes: true}
	for _, x.Format = range []variant.Format{variant.V1, variant.V2} {
		switch id, err := x.Digest(); {
		case err != nil:
			return nil, err
		case id == expected:
			return x, nil
		}
	}
	return nil, nil
}
