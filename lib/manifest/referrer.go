package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
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
// not say its type can, nor one for which a registry says the type of its empty config.
func mayRefer(d v1.Descriptor) bool {
	switch d.ArtifactType {
	case SignatureArtifact, "", v1.MediaTypeEmptyJSON:
		return d.MediaType == v1.MediaTypeImageManifest
	}
	return false
}

// IsSignatures reports whether a manifest is that of an artifact of signatures of some subject.
// An artifact that does not say its type has that of its config, which is the empty one.
func IsSignatures(m v1.Manifest) bool {
	return cmp.Or(m.ArtifactType, m.Config.MediaType) == SignatureArtifact && m.Subject != nil && m.Config.Digest == v1.DescriptorEmptyJSON.Digest
}

// FindReferrers returns what the text of a layout's index.json lists that may be artifacts of
// signatures of the manifest subject, or of any if that is "", each once: entries of its own,
// and those of an index which has the name of the tag that registries use.
func FindReferrers(indexJSON []byte, subject digest.Digest, read ReadBlob) ([]v1.Descriptor, error) {
	index, err := ParseIndex(indexJSON, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v1.ImageIndexFile, err)
	}
	list := index.Manifests
	for _, d := range index.Manifests {
		if !isIndex(d.MediaType) || !isTagOf(d.Annotations[v1.AnnotationRefName], subject) {
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

// isTagOf reports whether a name is the tag of the referrers of subject, of any if that is "".
func isTagOf(name string, subject digest.Digest) bool {
	return subject == "" && referrersTag.MatchString(name) || subject != "" && name == ReferrersTag(subject)
}

// referrersTag is the form of what ReferrersTag returns for the digests that images have.
var referrersTag = regexp.MustCompile(`^(sha256|sha512)-[0-9a-f]{64}$`)

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
		return corrupt.Errorf("%d layers, more than %d, in a signature artifact", n, MaxSignatures)
	}
	for _, d := range m.Layers {
		if d.Size > MaxSignatureSize {
			return fmt.Errorf("layer %s: %w", d.Digest, corrupt.Errorf("%d bytes, more than %d of a signature", d.Size, MaxSignatureSize))
		}
	}
	return nil
}

// AddToIndex returns the text of an index with the manifests of list that it does not have yet,
// as it is if it has all; of a new index if text is empty. All else that it holds stays.
func AddToIndex(text []byte, list []v1.Descriptor) ([]byte, error) {
	if len(text) == 0 {
		text = []byte(`{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[]}`)
	}
	index, err := ParseIndex(text, "")
	if err != nil {
		return nil, err
	}
	var whole map[string]json.RawMessage
	var manifests []json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, corrupt.Errorf("%w", err)
	}
	if err := json.Unmarshal([]byte(cmp.Or(string(whole["manifests"]), "null")), &manifests); err != nil {
		return nil, corrupt.Errorf("%w", err)
	}
	had := len(manifests)
	for _, d := range list {
		if slices.ContainsFunc(index.Manifests, func(e v1.Descriptor) bool { return e.Digest == d.Digest }) {
			continue
		}
		entry, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		index.Manifests, manifests = append(index.Manifests, d), append(manifests, entry)
	}
	if len(manifests) == had {
		return text, nil
	}
	if whole["manifests"], err = json.Marshal(manifests); err != nil {
		return nil, err
	}
	return json.Marshal(whole)
}
