package seal

import (
	"encoding/base64"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// MediaTypeSignature is the media type of a layer of an artifact that is a signature.
const MediaTypeSignature = "application/vnd.composefs.signature.v1+pkcs7"

// Artifact is a manifest that refers to an image, and the layers of it, in their order: blobs of
// signatures. One that is not at hand is nil.
type Artifact struct {
	Digest   digest.Digest
	Manifest v1.Manifest
	Blobs    [][]byte
}

// entry is a digest that is claimed.
type entry struct {
	role     Role
	digest   string
	artifact digest.Digest // "" in the manifest of the image
	blob     []byte        // the signature, nil if there is none
	broken   error         // why the blob cannot be read
}

// where returns the place of an entry, for messages.
func (e entry) where() string {
	if e.artifact == "" {
		return fmt.Sprintf("annotation of the %s digest", e.role)
	}
	return fmt.Sprintf("%s digest in artifact %s", e.role, e.artifact)
}

// inline returns the entries in the annotations of a manifest, and in those of its config's
// descriptor: each role has one place.
func inline(m v1.Manifest, a verity.Algorithm) (list []entry) {
	for _, r := range []Role{Config, Merged, Bootable} {
		annotations := m.Annotations
		if r == Config {
			annotations = m.Config.Annotations
		}
		d, ok := annotations[r.Key(a)]
		if !ok {
			continue
		}
		e := entry{role: r, digest: d}
		if text, ok := annotations[r.Key(a)+SignatureSuffix]; ok {
			e.blob, e.broken = decode(text)
		}
		list = append(list, e)
	}
	return list
}

// decode reads base64 as it is written once: with padding, without line breaks.
func decode(text string) ([]byte, error) {
	blob, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil && base64.StdEncoding.EncodeToString(blob) != text {
		err = fmt.Errorf("it contains line breaks")
	}
	if err != nil {
		return nil, corrupt.Errorf("not a base64 signature: %v", err)
	}
	return blob, nil
}

// entries returns those of an artifact by one algorithm. The error is marked as corrupt if
// the artifact has several algorithms, or a layer several digests.
func (a Artifact) entries(alg verity.Algorithm) (list []entry, err error) {
	var algorithm string
	for n, d := range a.Manifest.Layers {
		var found []string
		for key := range d.Annotations {
			if _, _, ok := parseKey(key); ok {
				found = append(found, key)
			}
		}
		if len(found) > 1 {
			return nil, corrupt.Errorf("artifact %s: layer %d has %d digests", a.Digest, n+1, len(found))
		}
		if len(found) == 0 {
			continue
		}
		role, name, _ := parseKey(found[0])
		if algorithm == "" {
			algorithm = name
		}
		if name != algorithm {
			return nil, corrupt.Errorf("artifact %s: digests by both %s and %s", a.Digest, algorithm, name)
		}
		if role == layer || name != AlgorithmName(alg) {
			continue
		}
		e := entry{role: role, digest: d.Annotations[found[0]], artifact: a.Digest}
		if d.MediaType == MediaTypeSignature {
			e.blob = a.Blobs[n]
		}
		list = append(list, e)
	}
	return list, nil
}

// unsigned reports whether a blob stands for none: it is empty, or the empty JSON object.
func unsigned(blob []byte) bool { return len(blob) == 0 || string(blob) == "{}" }
