package oci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/objects"
	"cfs/lib/repo"
	"cfs/lib/verity"
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
		return nil, corrupt.Errorf("manifest %s: it is a container image, not an artifact", d)
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

// SubjectOf returns the manifest to which a ref of a stream has an artifact belong; ok is
// false for other refs.
func SubjectOf(ref repo.Ref) (subject digest.Digest, ok bool) {
	below, ok := strings.CutPrefix(ref.Name, referrerFolder+"/")
	folder, _, _ := strings.Cut(below, "/")
	return digest.Digest(unescaper.Replace(folder)), ok
}

// Referrers returns the artifacts that belong to a manifest, in the order of their digests.
// Artifacts that are gone are among them.
func Referrers(r *repo.Repo, subject digest.Digest) (list []digest.Digest, err error) {
	for ref, err := range r.Refs(repo.Streams, referrerFolder+"/"+escaper.Replace(subject.String())) {
		if objects.IsStray(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("referrers of manifest %s: %w", subject, err)
		}
		if kind, d, ok := ParseName(ref.Target); ok && kind == KindManifest {
			list = append(list, d)
		}
	}
	return list, nil
}

// OpenReferrers opens the artifacts that belong to a manifest, in the order of their digests. gone
// are those that are not there any more.
func OpenReferrers(r *repo.Repo, subject digest.Digest) (list []*Manifest, gone []digest.Digest, err error) {
	digests, err := Referrers(r, subject)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range digests {
		m, err := OpenManifest(r, d)
		if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
			gone = append(gone, d)
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("referrer %s: %w", d, err)
		}
		list = append(list, m)
	}
	return list, gone, nil
}

// ReadBlob reads a blob of an artifact whose streams are given by digest, and compares it with
// its digest. It must have at most max bytes.
func ReadBlob(r *repo.Repo, streams map[Key]verity.ID, d digest.Digest, max int64) ([]byte, error) {
	id, ok := streams[Key(d)]
	if !ok {
		return nil, corrupt.Errorf("blob %s: no stream of it is referred to", d)
	}
	s, closer, err := OpenStream(r, id)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d, err)
	}
	defer closer.Close()
	in := joined(r, s)
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, max+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("blob %s: %w", d, err)
	case int64(len(text)) > max:
		return nil, corrupt.Errorf("blob %s is larger than %d bytes", d, max)
	case d.Algorithm().FromBytes(text) != d:
		return nil, corrupt.Errorf("blob %s: its content has a different digest", d)
	}
	return text, nil
}
