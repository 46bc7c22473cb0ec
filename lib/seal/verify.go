package seal

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/missing"
	"cfs/lib/signature"
	"cfs/lib/verity"
)

// Image is what is known of an image that is to be verified.
type Image struct {
	Digest    digest.Digest
	Manifest  v1.Manifest
	Artifacts []Artifact // that refer to it
	Algorithm verity.Algorithm

	// IDs are its digests as they are computed here. Those of EROFS images may be missing.
	IDs map[Role]verity.ID
	// ConfigStream is the object that holds the config in this repository. One implementation
	// has claimed its digest for the config's.
	ConfigStream verity.ID
}

// Wanted is what must be signed, and by whom.
type Wanted struct {
	Trusted []*x509.Certificate // none: digests alone are compared
	Role    Role                // Merged, or Bootable
	Image   bool                // manifest or config too
}

// State is how far an entry could be verified.
type State string

// The states.
const (
	Verified State = "verified"     // digest and signature are right
	Digest   State = "digest"       // the digest is right, and no signature was looked at
	Stranger State = "other-signer" // the digest is right, and nobody who is trusted has signed it
)

// Signature is a digest that is claimed, and right.
type Signature struct {
	ID       verity.ID
	Role     Role
	Artifact digest.Digest // "" if the claim is in the image's manifest
	State    State
	Signer   string // subject of the certificate, if verified
}

// Verify checks every digest that an image claims of itself, and the signatures over them. The
// error is marked as corrupt if one does not hold, and wraps fs.ErrNotExist if what is wanted is
// not there, or not signed by a trusted certificate. Artifacts in which nobody who is trusted has signed
// anything do not count: whoever can push to a registry could block an image with them.
// warnings name them.
func (i Image) Verify(w Wanted) (list []Signature, warnings []string, err error) {
	entries := inline(i.Manifest, i.Algorithm)
	for _, a := range i.Artifacts {
		if len(w.Trusted) > 0 && !a.namesTrusted(w.Trusted) {
			warnings = append(warnings, fmt.Sprintf("artifact %s is ignored: it has no signature of a trusted signer", a.Digest))
			continue
		}
		more, err := a.entries(i.Algorithm)
		if err != nil {
			return nil, warnings, err
		}
		entries = append(entries, more...)
	}
	for _, e := range entries {
		s, err := i.verify(e, w)
		if errors.Is(err, errPassed) {
			warnings = append(warnings, fmt.Sprintf("%s is that of the object which holds the config here, and not of the config: passed over", e.where()))
			continue
		}
		if err != nil {
			return nil, warnings, err
		}
		if s.Role != "" {
			list = append(list, s)
		}
	}
	return list, warnings, i.enough(list, w)
}

// namesTrusted reports whether a signature in an artifact names somebody who is trusted. A layer of
// another type is none, whatever it holds.
func (a Artifact) namesTrusted(trusted []*x509.Certificate) bool {
	for n, d := range a.Manifest.Layers {
		if d.MediaType == MediaTypeSignature && signature.NamesTrusted(a.Blobs[n], trusted) {
			return true
		}
	}
	return false
}

// errPassed is why an entry is passed over with a warning.
var errPassed = errors.New("the digest of the config's stream")

// verify checks one entry. An image that is not at hand is not compared: the Signature is
// empty then.
func (i Image) verify(e entry, w Wanted) (Signature, error) {
	id, ok := i.IDs[e.role]
	if !ok {
		return Signature{}, nil
	}
	if e.digest != id.String() {
		if e.role == Config && e.artifact == "" && e.digest == i.ConfigStream.String() {
			return Signature{}, errPassed
		}
		return Signature{}, corrupt.Errorf("%s says %.128q, but here it is %s", e.where(), e.digest, id)
	}
	s := Signature{ID: id, Role: e.role, Artifact: e.artifact, State: Digest}
	if len(w.Trusted) == 0 {
		return s, nil
	}
	if e.broken != nil {
		return Signature{}, fmt.Errorf("%s: %w", e.where(), e.broken)
	}
	if unsigned(e.blob) {
		return s, nil
	}
	cert, err := signature.Verify(e.blob, id, w.Trusted)
	switch {
	case errors.Is(err, signature.ErrStranger):
		s.State = Stranger
	case err != nil:
		return Signature{}, fmt.Errorf("%s: %w", e.where(), err)
	default:
		s.State, s.Signer = Verified, cert.Subject.String()
	}
	return s, nil
}

// enough checks that what is wanted is among what holds.
func (i Image) enough(list []Signature, w Wanted) error {
	state, how := Digest, "no digest of"
	if len(w.Trusted) > 0 {
		state, how = Verified, "no signature by a trusted certificate of"
	}
	has := func(r Role) bool {
		return slices.ContainsFunc(list, func(s Signature) bool { return s.Role == r && s.State == state })
	}
	switch {
	case i.IDs[w.Role].IsZero():
		return missing.Errorf("manifest %s: the repository has no %s EROFS image of format 1, the format that is signed", i.Digest, w.Role)
	case !has(w.Role):
		return missing.Errorf("manifest %s: %s its %s EROFS image", i.Digest, how, w.Role)
	case w.Image && !has(Manifest) && !has(Config):
		return missing.Errorf("manifest %s: %s it or its config", i.Digest, how)
	}
	return nil
}
