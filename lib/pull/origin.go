package pull

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/incremental"
	"cfs/lib/manifest"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/source"
)

// Origin is an image at its source, with manifest and config read and verified.
type Origin struct {
	Name         string        // of the source, as it was typed
	Descriptor   v1.Descriptor // of the manifest
	Manifest     v1.Manifest
	ManifestJSON []byte
	ConfigJSON   []byte
	Referrers    []source.Referrer // after ReadReferrers

	source source.Source
	stored Stored
	keys   []oci.Key // of the layers
}

// Stored returns a manifest or a config of a descriptor that is stored, with its digest verified, nil
// if it is not, or cannot be read: the source has it, too.
type Stored func(v1.Descriptor) []byte

// OpenOrigin reads the manifest and the config of the image that s has for a platform, nil
// for this machine's. name is what records call the source. What is stored is not fetched over
// a network, but for the manifest. It closes s if it fails; else Close does.
func OpenOrigin(ctx context.Context, s source.Source, name string, platform *v1.Platform, stored Stored) (*Origin, error) {
	o := &Origin{Name: name, source: s, stored: stored}
	if err := o.read(ctx, platform); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return o, nil
}

// Close closes the source.
func (o *Origin) Close() error { return o.source.Close() }

func (o *Origin) read(ctx context.Context, platform *v1.Platform) (err error) {
	if o.Descriptor, err = o.source.Manifest(ctx, platform); err != nil {
		return err
	}
	if o.ManifestJSON, err = source.ReadAll(ctx, o.source, o.Descriptor); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if o.Manifest, err = manifest.ParseAs(o.Descriptor, o.ManifestJSON); err != nil {
		return fmt.Errorf("manifest %s: %w", o.Descriptor.Digest, err)
	}
	if o.ConfigJSON, err = o.document(ctx, o.Manifest.Config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if o.keys, err = oci.LayerKeys(o.Manifest, o.ConfigJSON); err != nil {
		return fmt.Errorf("manifest %s: %w", o.Descriptor.Digest, err)
	}
	return nil
}

// document returns a document that the manifest names, or an artifact: what is stored need not come
// over a network.
func (o *Origin) document(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	if source.IsRemote(o.source) && o.stored != nil {
		if text := o.stored(d); text != nil {
			return text, nil
		}
	}
	return source.ReadAll(ctx, o.source, d)
}

// CheckStrict refuses a manifest or a config that the reference would not read.
func (o *Origin) CheckStrict() error {
	return manifest.CheckRequired(o.ManifestJSON, o.ConfigJSON)
}

// CheckHost returns an error if the image is not for this machine, or does not say what it is
// for. An artifact need not.
func (o *Origin) CheckHost() error {
	if !manifest.IsImageConfig(o.Manifest.Config.MediaType) {
		return nil
	}
	c, err := manifest.ParseConfig(o.ConfigJSON)
	if err == nil {
		err = manifest.CheckHost(c.Platform)
	}
	if err != nil {
		return fmt.Errorf("manifest %s: %w", o.Descriptor.Digest, err)
	}
	return nil
}

// Layers returns each distinct layer of the image, or blob of an artifact, without a place
// where it is.
func (o *Origin) Layers() ([]Layer, error) {
	container := manifest.IsImageConfig(o.Manifest.Config.MediaType)
	seen := make(map[digest.Digest]oci.Key) // the key of each blob
	var layers []Layer
	for n, d := range o.Manifest.Layers {
		if key, ok := seen[d.Digest]; ok && key == o.keys[n] {
			continue
		} else if ok {
			return nil, corrupt.Errorf("config %s: layer %s has two diff IDs, %s and %s", o.Manifest.Config.Digest, d.Digest, key, o.keys[n])
		}
		seen[d.Digest] = o.keys[n]
		var diffID digest.Digest
		if container {
			diffID = digest.Digest(o.keys[n])
		}
		layers = append(layers, NewLayer(d, diffID, o.Descriptor.Digest))
	}
	return layers, nil
}

// ReadReferrers reads the artifacts of signatures that belong to the image. It returns those that
// the source lists and does not have.
func (o *Origin) ReadReferrers(ctx context.Context) (gone []v1.Descriptor, err error) {
	o.Referrers, gone, err = source.Referrers(ctx, o.source, o.Descriptor.Digest, o.document)
	return gone, err
}

// ReferrerBlobs returns each distinct blob of those artifacts, as one of the first that has it,
// without a place where it is.
func (o *Origin) ReferrerBlobs() (blobs []Layer) {
	seen := make(map[digest.Digest]bool)
	for _, a := range o.Referrers {
		for _, d := range a.Manifest.Layers {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				blobs = append(blobs, NewReferrerBlob(d, a.Descriptor.Digest))
			}
		}
	}
	return blobs
}

// descriptor returns the descriptor of a layer, which says more than its record: where
// else a registry may have it.
func (o *Origin) descriptor(l Layer) v1.Descriptor {
	for _, d := range o.Manifest.Layers {
		if d.Digest == l.Digest {
			return d
		}
	}
	return v1.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size}
}

// Spans returns how parts of blobs can be had, nil if they cannot.
func (o *Origin) Spans() incremental.OpenSpan {
	if s, ok := o.source.(source.Spans); ok {
		return s.OpenSpan
	}
	return nil
}

// IsLocal reports whether the blobs are files where they are, and need no spool.
func (o *Origin) IsLocal() (bool, error) {
	path, err := o.source.Path(o.Descriptor)
	return path != "", err
}

// Find returns the descriptor of a blob of the image, which may be its manifest or its
// config. The error wraps fs.ErrNotExist if it has no such blob.
func (o *Origin) Find(d string) (v1.Descriptor, error) {
	for _, b := range append([]v1.Descriptor{o.Descriptor, o.Manifest.Config}, o.Manifest.Layers...) {
		if b.Digest.String() == d {
			return b, nil
		}
	}
	return v1.Descriptor{}, missing.Errorf("%s has no blob %s", o.Name, d)
}

// Copy writes the bytes of a blob to w. If they are not what the descriptor says, the
// error is marked as corrupt, and they must not be used.
func (o *Origin) Copy(ctx context.Context, w io.Writer, d v1.Descriptor) error {
	in, err := o.source.Open(ctx, d, 0)
	if err != nil {
		return fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	verified, err := blob.NewReader(in, d.Digest, d.Size)
	if err == nil {
		_, err = io.Copy(w, verified)
	}
	return errors.Join(err, in.Close())
}
