package oci

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/repo"
)

// NewReferrer reads the JSON of the manifest of an artifact that belongs to the manifest
// subject. Its config must be the empty one. Write stores it, and Refer has it belong.
func NewReferrer(d, subject digest.Digest, text []byte) (*Link, error) {
	l, err := NewLink(d, text, v1.DescriptorEmptyJSON.Data)
	if err != nil {
		return nil, err
	}
	switch {
	case l.Manifest.Subject == nil:
		return nil, corrupt.Errorf("manifest %s: it has no subject", d)
	case l.Manifest.Subject.Digest != subject:
		return nil, corrupt.Errorf("manifest %s: its subject is %s, not %s", d, l.Manifest.Subject.Digest, subject)
	case l.IsContainer():
		return nil, corrupt.Errorf("manifest %s: it is of a container image, and no artifact", d)
	}
	l.referrer = true
	return l, nil
}

// Refer has an artifact, whose manifest is there, belong to the manifest subject. That is
// durable after r.SyncNames.
func Refer(r *repo.Repo, subject, artifact digest.Digest) error {
	ref := referrerFolder + "/" + escaper.Replace(subject.String()) + "/" + escaper.Replace(artifact.String())
	name, err := r.Ref(repo.Streams, ref)
	if err == nil && name == ManifestName(artifact) {
		r.FoundRef(repo.Streams, ref)
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
		return fmt.Errorf("referrer %s of %s: %w", artifact, subject, err)
	}
	if err := r.SetRef(repo.Streams, ref, ManifestName(artifact)); err != nil {
		return fmt.Errorf("referrer %s of %s: %w", artifact, subject, err)
	}
	return nil
}
