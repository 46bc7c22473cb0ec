package signed

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/seal"
	"cfs/lib/signature"
	"cfs/lib/verity"
)

// Annotation is one that seals an image.
type Annotation struct {
	Role       seal.Role
	Key, Value string
}

// Seal returns the annotations that claim the digests of an image's EROFS images of format 1, and
// of its config if that is wanted. With a signer, those of the signatures follow each.
func (i *Image) Seal(r *repo.Repo, config bool, s *signature.Signer) (list []Annotation, err error) {
	ids, err := i.IDs(r)
	if err != nil {
		return nil, err
	}
	if _, err := i.ID(r, seal.Merged); err != nil {
		return nil, err
	}
	for _, role := range seal.Roles() {
		id, ok := ids[role]
		if !ok || role == seal.Manifest || role == seal.Config && !config {
			continue
		}
		key := role.Key(r.Algorithm)
		list = append(list, Annotation{role, key, id.String()})
		if s == nil {
			continue
		}
		blob, err := s.Sign(id)
		if err != nil {
			return nil, err
		}
		list = append(list, Annotation{role, key + seal.SignatureSuffix, base64.StdEncoding.EncodeToString(blob)})
	}
	return list, nil
}

// IsSealed reports whether the manifest has the keys of annotations already, with digests that hold
// and, if there is a certificate, with good signatures by it.
func (i *Image) IsSealed(r *repo.Repo, list []Annotation, cert *x509.Certificate) (bool, error) {
	for _, a := range list {
		if i.annotations(a.Role)[a.Key] == "" {
			return false, nil
		}
	}
	ids, err := i.IDs(r)
	if err != nil {
		return false, err
	}
	w := seal.Wanted{Role: seal.Merged}
	if cert != nil {
		w.Trusted = []*x509.Certificate{cert}
	}
	found, _, err := seal.Image{Digest: i.Digest, Manifest: i.Manifest, Algorithm: r.Algorithm, IDs: ids}.Verify(w)
	if err != nil {
		return false, nil // by somebody else, or not good any more
	}
	for _, s := range found {
		if cert != nil && s.State != seal.Verified {
			return false, nil
		}
	}
	return true, nil
}

func (i *Image) annotations(r seal.Role) map[string]string {
	if r == seal.Config {
		return i.Manifest.Config.Annotations
	}
	return i.Manifest.Annotations
}

// Annotate stores the manifest with further annotations as another image with the same config
// and the same layers, durably, and returns it. All else that the manifest holds stays, sorted by
// keys. The caller holds LockStreams.
func (i *Image) Annotate(r *repo.Repo, list []Annotation, streams map[oci.Key]verity.ID) (*oci.Image, error) {
	text, err := annotate(i.ManifestJSON, list)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", i.Digest, err)
	}
	link, err := oci.NewLink(digest.FromBytes(text), text, i.ConfigJSON)
	if err != nil {
		return nil, err
	}
	link.Streams = streams
	return link.Write(r)
}

// annotate sets annotations of a manifest, and of its config's descriptor.
func annotate(text []byte, list []Annotation) ([]byte, error) {
	whole, err := object(text)
	if err != nil {
		return nil, err
	}
	config, err := object(whole["config"])
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		in := whole
		if a.Role == seal.Config {
			in = config
		}
		if err := set(in, a); err != nil {
			return nil, err
		}
	}
	if whole["config"], err = marshal(config); err != nil {
		return nil, err
	}
	return marshal(whole)
}

func set(in map[string]json.RawMessage, a Annotation) error {
	annotations, err := object(in["annotations"])
	if err != nil {
		return err
	}
	if annotations[a.Key], err = marshal(a.Value); err != nil {
		return err
	}
	in["annotations"], err = marshal(annotations)
	return err
}

// object reads a JSON object; what is not there is an empty one.
func object(text []byte) (map[string]json.RawMessage, error) {
	o := map[string]json.RawMessage{}
	if len(text) == 0 || string(text) == "null" {
		return o, nil
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, corrupt.Errorf("%w", err)
	}
	return o, nil
}

// marshal writes JSON without spaces, and text as it is.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
