package lookup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// Objects returns the objects that a digest stands for: one by its fs-verity digest, or by
// its path in a repository; the streams of a manifest, a config or a layer by its OCI
// digest, of a layer also by that of its blob, as a manifest names it. OCI digests may have
// a leading "@", and 12 and more hex digits of a digest stand for it.
//
// The error wraps fs.ErrNotExist if nothing is stored as that, repo.ErrAmbiguous if several
// digests begin like the operand, and ErrNoDigest if it is none.
func Objects(r *repo.Repo, operand string) ([]verity.ID, error) {
	full := operand
	if id, ok := verity.ParseObjectPath(operand); ok {
		full = id.String()
	}
	if !isDigest(r, full) {
		var err error
		if full, err = complete(r, operand, allDigests(r, operand)); err != nil {
			return nil, err
		}
		if full == "" && !looksLikeDigest(operand) {
			return nil, fmt.Errorf("%q %w", operand, ErrNoDigest)
		}
	}
	if id, ok := verityID(r, full); ok {
		if _, err := r.Objects.Size(id); isAbsent(err) {
			return nil, missing.Errorf("no object %s is stored", id)
		} else if err != nil {
			return nil, err
		}
		return []verity.ID{id}, nil
	}
	ids, err := streamsOf(r, ociDigest(full))
	if err == nil && ids == nil {
		err = missing.Errorf("nothing is stored as %s", operand)
	}
	return ids, err
}

// looksLikeDigest reports whether an operand has the form of a digest or of the first digits
// of one, also of another algorithm than the repository's.
func looksLikeDigest(operand string) bool {
	_, err := verity.ParseID(operand)
	hex := strings.TrimPrefix(strings.TrimPrefix(operand, "@"), "sha256:")
	return err == nil || ociDigest(operand).Validate() == nil || isPrefix(hex)
}

// streamsOf returns the streams of what has an OCI digest, none if there is nothing.
func streamsOf(r *repo.Repo, d digest.Digest) (ids []verity.ID, err error) {
	if d.Validate() != nil {
		return nil, nil
	}
	for _, name := range oci.Names(d) {
		id, err := r.Lookup(repo.Streams, name)
		switch {
		case err == nil:
			ids = append(ids, id)
		case !isAbsent(err):
			return nil, err
		}
	}
	if ids != nil {
		return ids, nil
	}
	err = eachLayer(r, func(image *oci.Image, i int) {
		if image.Manifest.Layers[i].Digest == d {
			ids = append(ids, image.Stream(image.Keys[i]))
		}
	})
	slices.SortFunc(ids, verity.ID.Compare)
	if ids = slices.Compact(ids); ids != nil {
		err = nil // what could not be read is not needed
	}
	return ids, err
}

// eachLayer calls do for the layers of all images. After an error not all could be read.
func eachLayer(r *repo.Repo, do func(image *oci.Image, i int)) error {
	names, err := r.Names(repo.Streams)
	if err != nil {
		return err
	}
	var unread error
	for _, name := range names {
		kind, d, ok := oci.ParseName(name)
		if !ok || kind != oci.KindManifest {
			continue
		}
		image, err := oci.OpenImage(r, d)
		if err != nil && !isAbsent(err) && unread == nil {
			unread = fmt.Errorf("which layers there are: %w", err)
		}
		if err != nil {
			continue
		}
		for i := range image.Keys {
			do(image, i)
		}
	}
	return unread
}

// allDigests are the candidates for any object: those for images and for streams, the blobs
// of layers, and the objects that may begin like the operand.
func allDigests(r *repo.Repo, operand string) func(func(full, kind string)) error {
	return func(yield func(full, kind string)) error {
		for _, candidates := range []func(func(full, kind string)) error{imageDigests(r), streamDigests(r)} {
			if err := candidates(yield); err != nil {
				return err
			}
		}
		err := eachLayer(r, func(image *oci.Image, i int) { yield(image.Manifest.Layers[i].Digest.String(), "blob") })
		if err != nil && !corrupt.IsDamage(err) {
			return err
		}
		return objectDigests(r, operand, yield)
	}
}

// objectDigests are the candidates for an object, if the operand can be the beginning of its
// digest: those that begin with the same byte.
func objectDigests(r *repo.Repo, operand string, yield func(full, kind string)) error {
	var first byte
	if _, err := fmt.Sscanf(operand, "%02x", &first); err != nil || !isPrefix(operand) {
		return nil
	}
	ids, _, err := r.Objects.Folder(first) // strays are no objects
	for _, id := range ids {
		yield(id.String(), "object")
	}
	return err
}
