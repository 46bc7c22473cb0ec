package manifest

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// SignatureArtifact is the artifactType of an artifact that holds composefs digests of
// another image, its subject, and signatures over them.
const SignatureArtifact = "application/vnd.composefs.metadata.v1"

// What an artifact of signatures may hold. The size is the kernel's for a signature.
const (
	MaxSignatures    = 64     // layers of one artifact
	MaxSignatureSize = 16_128 // bytes of each of its layers
)

// ReferrersTag returns the tag under which a registry without a list of referrers has the
// index of those of a manifest (distribution-spec, "Referrers Tag Schema").
func ReferrersTag(d digest.Digest) string {
	algorithm, hex, _ := strings.Cut(d.String(), ":")
	return tagged(algorithm, 32) + "-" + tagged(hex, 64)
}

// tagged returns the first n bytes of s with those replaced that no tag can have.
func tagged(s string, n int) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '-'
	}, s[:min(n, len(s))])
}

// mayRefer reports whether a descriptor can be that of an artifact of signatures: one that does
// not say its type can.
func mayRefer(d v1.Descriptor) bool {
	return d.MediaType == v1.MediaTypeImageManifest && (d.ArtifactType == "" || d.ArtifactType == SignatureArtifact)
}

// Refers reports whether a manifest is that of an artifact of signatures with the subject d.
// An artifact that does not say its type has that of its config.
func Refers(m v1.Manifest, d digest.Digest) bool {
	return cmp.Or(m.ArtifactType, m.Config.MediaType) == SignatureArtifact && m.Subject != nil && m.Subject.Digest == d
}

// FindReferrers returns what the text of a layout's index.json lists that may be artifacts of
// signatures of the manifest subject, each once: entries of its own, and those of an index
// which has the name of the tag that registries use.
func FindReferrers(indexJSON []byte, subject digest.Digest, read ReadBlob) ([]v1.Descriptor, error) {
	index, err := ParseIndex(indexJSON, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v1.ImageIndexFile, err)
	}
	list := index.Manifests
	for _, d := range index.Manifests {
		if d.Annotations[v1.AnnotationRefName] != ReferrersTag(subject) || !isIndex(d.MediaType) {
			continue
		}
		text, err := read(d)
		if err != nil {
			return nil, err
		}
		tagged, err := ParseIndex(text, d.MediaType)
		if err != nil {
			return nil, fmt.Errorf("index %s: %w", d.Digest, err)
		}
		list = append(list, tagged.Manifests...)
	}
	return MayReferTo(list, subject), nil
}

// MayReferTo returns those of a list that may be artifacts of subject, each once.
func MayReferTo(list []v1.Descriptor, subject digest.Digest) (found []v1.Descriptor) {
	seen := map[digest.Digest]bool{subject: true}
	for _, d := range list {
		if !seen[d.Digest] && mayRefer(d) {
			seen[d.Digest] = true
			found = append(found, d)
		}
	}
	return found
}

// CheckSignatures refuses an artifact of signatures with too many layers, or too large ones.
func CheckSignatures(m v1.Manifest) error {
	if n := len(m.Layers); n > MaxSignatures {
		return corrupt.Errorf("%d layers, more than %d, in an artifact of signatures", n, MaxSignatures)
	}
	for _, d := range m.Layers {
		if d.Size > MaxSignatureSize {
			return fmt.Errorf("layer %s: %w", d.Digest, corrupt.Errorf("%d bytes, more than %d of a signature", d.Size, MaxSignatureSize))
		}
	}
	return nil
}
