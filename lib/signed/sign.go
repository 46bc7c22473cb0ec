package signed

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/seal"
	"cfs/lib/signature"
	"cfs/lib/verity"
)

// ID returns a digest of an image. The error wraps fs.ErrNotExist if the image has no such EROFS
// image of format 1, which is what signatures are of.
func (i *Image) ID(r *repo.Repo, role seal.Role) (verity.ID, error) {
	ids, err := i.IDs(r)
	if err != nil {
		return verity.ID{}, err
	}
	id, ok := ids[role]
	if !ok {
		return verity.ID{}, missing.Errorf("manifest %s: the repository has no %s EROFS image of format 1, the format that is signed", i.Digest, role)
	}
	return id, nil
}

// Sign makes a signature of each digest of an image, by role. Without a boot image there is none of
// that.
func (i *Image) Sign(r *repo.Repo, s *signature.Signer) (map[seal.Role][]byte, error) {
	ids, err := i.IDs(r)
	if err != nil {
		return nil, err
	}
	if _, err := i.ID(r, seal.Merged); err != nil {
		return nil, err
	}
	blobs := make(map[seal.Role][]byte)
	for role, id := range ids {
		if blobs[role], err = s.Sign(id); err != nil {
			return nil, err
		}
	}
	return blobs, nil
}

// Check verifies signatures that were made elsewhere, by role, with the certificate of the
// signer.
func (i *Image) Check(r *repo.Repo, blobs map[seal.Role][]byte, cert *x509.Certificate) error {
	for role, blob := range blobs {
		id, err := i.ID(r, role)
		if err != nil {
			return err
		}
		if _, err := signature.Verify(blob, id, []*x509.Certificate{cert}); err != nil {
			return fmt.Errorf("signature of the %s digest %s: %w", role, id, err)
		}
	}
	return nil
}

// SignedBy returns the artifact in which a certificate has signed all the digests of some roles, and
// no other ones; ok is false if there is none. ECDSA makes another signature each time, and one is
// enough.
func (i *Image) SignedBy(r *repo.Repo, roles []seal.Role, cert *x509.Certificate) (artifact digest.Digest, ok bool, err error) {
	list, _, err := i.artifacts(r)
	if err != nil {
		return "", false, err
	}
	ids, err := i.IDs(r)
	if err != nil {
		return "", false, err
	}
	for _, a := range list {
		alone := seal.Image{Digest: i.Digest, Artifacts: []seal.Artifact{a}, Algorithm: r.Algorithm, IDs: ids}
		found, _, err := alone.Verify(seal.Wanted{Trusted: []*x509.Certificate{cert}, Role: seal.Merged})
		if err != nil || len(a.Manifest.Layers) != len(roles) {
			continue // not by this one, or not good
		}
		if !slices.ContainsFunc(roles, func(r seal.Role) bool {
			return !slices.ContainsFunc(found, func(s seal.Signature) bool { return s.Role == r && s.State == seal.Verified })
		}) {
			return a.Digest, true, nil
		}
	}
	return "", false, nil
}

// Attach stores signatures as an artifact that belongs to an image of the repository, durably, and
// returns it. The caller holds LockStreams.
func (i *Image) Attach(r *repo.Repo, blobs map[seal.Role][]byte) (*oci.Image, error) {
	ids, err := i.IDs(r)
	if err != nil {
		return nil, err
	}
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: manifest.SignatureArtifact,
		Config:  v1.Descriptor{MediaType: v1.MediaTypeEmptyJSON, Digest: v1.DescriptorEmptyJSON.Digest, Size: v1.DescriptorEmptyJSON.Size},
		Subject: &v1.Descriptor{MediaType: i.mediaType(), Digest: i.Digest, Size: int64(len(i.ManifestJSON))},
	}
	streams := make(map[oci.Key]verity.ID)
	for _, role := range seal.Roles() {
		blob, ok := blobs[role]
		if !ok {
			continue
		}
		d := v1.Descriptor{MediaType: seal.MediaTypeSignature, Digest: digest.FromBytes(blob), Size: int64(len(blob))}
		d.Annotations = map[string]string{role.Key(r.Algorithm): ids[role].String()}
		m.Layers = append(m.Layers, d)
		if streams[oci.Key(d.Digest)], err = storeBlob(r, blob, d.Digest); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return i.attach(r, text, streams)
}

// mediaType returns the media type of the image's manifest.
func (i *Image) mediaType() string {
	if i.Manifest.MediaType == "" {
		return v1.MediaTypeImageManifest
	}
	return i.Manifest.MediaType
}

// storeBlob stores a blob of an artifact, and names it.
func storeBlob(r *repo.Repo, blob []byte, d digest.Digest) (verity.ID, error) {
	switch id, err := oci.StoredBlob(r, d); {
	case err == nil:
		r.FoundName(repo.Streams)
		return id, nil
	case !corrupt.OrMissing(err):
		return verity.ID{}, err
	}
	done, err := oci.ImportBlob(context.Background(), r, bytes.NewReader(blob), oci.Source{Digest: d, Size: int64(len(blob))})
	if err != nil {
		return verity.ID{}, err
	}
	if err := r.Sync(); err != nil {
		return verity.ID{}, err
	}
	return done.Stream, r.Link(repo.Streams, oci.BlobName(d), done.Stream)
}

// attach stores the manifest of an artifact, and has it belong to the image.
func (i *Image) attach(r *repo.Repo, text []byte, streams map[oci.Key]verity.ID) (*oci.Image, error) {
	link, err := oci.NewReferrer(digest.FromBytes(text), i.Digest, text)
	if err != nil {
		return nil, err
	}
	link.Streams = streams
	artifact, err := link.Write(r)
	if err != nil {
		return nil, err
	}
	if err := r.SyncNames(); err != nil {
		return nil, err
	}
	if err := oci.Refer(r, i.Digest, artifact.Manifest.Digest); err != nil {
		return nil, err
	}
	return artifact, r.SyncNames()
}
