package lookup

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// minPrefix is how many hex digits stand for a digest: 48 bits, which do not meet by chance.
const minPrefix = 12

// complete returns the only digest that begins with an operand, "" if there is none or
// the operand is no beginning of a digest: 12 and more hex digits, also behind "sha256:"
// or "@sha256:". candidates yields the digests, and what each is of. If several begin
// with it, the error wraps repo.ErrAmbiguous and lists them.
func complete(r *repo.Repo, operand string, candidates func(yield func(full, kind string)) error) (string, error) {
	prefix := strings.TrimPrefix(operand, "@")
	digits := strings.TrimPrefix(prefix, "sha256:")
	if prefix != operand && digits == prefix || !isPrefix(digits) {
		return "", nil
	}
	kinds := map[string]string{}
	err := candidates(func(full, kind string) {
		_, encoded, _ := strings.Cut(full, ":")
		begins := strings.HasPrefix(full, prefix) || strings.HasPrefix(encoded, prefix)
		if begins && kinds[full] == "" && isDigest(r, full) {
			kinds[full] = kind
		}
	})
	if err != nil {
		return "", err
	}
	all := slices.Sorted(maps.Keys(kinds))
	switch len(all) {
	case 0:
		return "", nil
	case 1:
		return all[0], nil
	}
	for i, full := range all {
		all[i] = kinds[full] + " " + full
	}
	return "", fmt.Errorf("%s %w: it may be %s", operand, repo.ErrAmbiguous, strings.Join(all, ", "))
}

// isPrefix reports whether a word can be the beginning of the hex digits of a digest.
func isPrefix(word string) bool {
	return len(word) >= minPrefix && strings.Trim(word, "0123456789abcdef") == ""
}

// imageDigests are the candidates for an image: all manifests, configs and EROFS images of
// the repository.
func imageDigests(r *repo.Repo) func(func(full, kind string)) error {
	return func(yield func(full, kind string)) error {
		streams, err := r.Names(repo.Streams)
		if err != nil {
			return err
		}
		for _, want := range []oci.Kind{oci.KindManifest, oci.KindConfig} {
			for _, name := range streams {
				if kind, d, _ := oci.ParseName(name); kind == want {
					yield(d.String(), string(kind))
				}
			}
		}
		images, err := r.Names(repo.Images)
		for _, name := range images {
			yield(name, "EROFS image")
		}
		return err
	}
}

// streamDigests are the candidates for a stream: the keys of all layers, and what each
// name under streams/ leads to.
func streamDigests(r *repo.Repo) func(func(full, kind string)) error {
	return func(yield func(full, kind string)) error {
		names, err := r.Names(repo.Streams)
		if err != nil {
			return err
		}
		for _, name := range names {
			if kind, key, ok := oci.ParseName(name); ok && kind == oci.KindLayer {
				yield(key.String(), string(kind))
			}
			id, err := r.Lookup(repo.Streams, name)
			if err != nil && !corrupt.OrMissing(err) { // a stray file is no stream
				return err
			}
			yield(id.String(), "stream")
		}
		return nil
	}
}

// Stream returns the stream that an operand names: its name under streams/, "refs/" and
// the name of a ref, the digest that a layer is kept by (its diff ID, or of an artifact its
// own), or the fs-verity digest of the stream; of a digest 12 and more hex digits are
// enough where no stream has that name. If it was found by a name that has a digest, its
// content should have that digest d. The errors are those of Find.
func Stream(r *repo.Repo, operand string) (id verity.ID, d digest.Digest, err error) {
	id, d, err = lookupStream(r, operand)
	if !isAbsent(err) {
		return id, d, err
	}
	full, prefixErr := complete(r, operand, streamDigests(r))
	switch {
	case prefixErr != nil:
		return verity.ID{}, "", prefixErr
	case full != "":
		return lookupStream(r, full)
	}
	return verity.ID{}, "", err
}

// lookupStream is Stream for an operand that is complete.
func lookupStream(r *repo.Repo, name string) (id verity.ID, d digest.Digest, err error) {
	if id, ok := verityID(r, name); ok {
		return id, "", nil
	}
	if d := ociDigest(name); d.Validate() == nil {
		name = oci.LayerName(oci.Key(d))
	}
	if ref, ok := strings.CutPrefix(name, "refs/"); ok {
		if name, err = r.Ref(repo.Streams, ref); err != nil {
			return verity.ID{}, "", err
		}
	}
	_, d, _ = oci.ParseName(name)
	id, err = r.Lookup(repo.Streams, name)
	return id, d, err
}
