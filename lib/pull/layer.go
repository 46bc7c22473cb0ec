package pull

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// Layer is the record of a layer: of a container image, a tar, which has a diff ID, or of
// an artifact, any blob, which has none.
type Layer struct {
	Blob
	Artifact bool
	Referrer bool          // of an artifact that belongs to the image which is pulled
	DiffID   digest.Digest // of the uncompressed tar, "" if not known
	For      digest.Digest // the manifest that it is of, "" if there is none
	Form     string        // what the file at Path is: "" is the blob, else FormSplitstream or FormTarSplit
	Dirs     string        // of a form: the folder of the objects, "" for that of this repository; or folders, joined by colons
	Proved   string        // by what its bytes were verified: "" is the blob's digest, else ProvedDiffID

	pulled digest.Digest // the manifest that is pulled, if it is another one
}

const (
	// FormSplitstream is the form of a file that is a splitstream of the layer's tar, or of an artifact's blob, whose
	// objects are in the repository, or in the folder of objects of another one.
	FormSplitstream = "splitstream"
	// FormTarSplit is the form of a file that is tar-split of the layer's tar, plain or compressed; the content of the
	// files is in folders.
	FormTarSplit = "tar-split"
	// ProvedDiffID means that nobody has seen the blob, whose digest and size are what the manifest says,
	// but a tar that has the diff ID.
	ProvedDiffID = "diff-id"
)

// NewLayer returns the layer of a descriptor in a manifest. Without a diff ID it is one of
// an artifact.
func NewLayer(d v1.Descriptor, diffID, manifest digest.Digest) Layer {
	l := Layer{Blob: describe(d), Artifact: diffID == "", DiffID: diffID, For: manifest}
	l.made(l.said()...)
	return l
}

// NewReferrerBlob returns the blob of a descriptor in the manifest of an artifact that belongs
// to an image.
func NewReferrerBlob(d v1.Descriptor, artifact digest.Digest) Layer {
	l := Layer{Blob: describe(d), Artifact: true, Referrer: true, For: artifact}
	l.made(l.said()...)
	return l
}

// said returns the keys that a manifest and its config say.
func (l Layer) said() []record.Key {
	return slices.DeleteFunc(l.keys()[:5], func(k record.Key) bool {
		return k.Name == keyDiffID && l.Artifact || k.Name == keyRole && !l.Referrer
	})
}

// ParseLayer reads the record of a layer.
func ParseLayer(rec record.Record) (Layer, error) {
	if rec.Kind != kindLayer && rec.Kind != kindBlob {
		return Layer{}, fmt.Errorf("%q is not a kind of layer", rec.Kind)
	}
	blob, err := parseBlob(rec)
	if err != nil {
		return Layer{}, err
	}
	l := Layer{Blob: blob, Artifact: rec.Kind == kindBlob, Form: rec.Get(keyForm), Dirs: rec.Get(keyDirs), Proved: rec.Get(keyProved)}
	l.Referrer = l.Artifact && rec.Get(keyRole) == kindReferrer
	if l.DiffID, err = parseOptional(rec, keyDiffID); err != nil {
		return Layer{}, err
	}
	if l.For, err = parseOptional(rec, keyFor); err != nil {
		return Layer{}, err
	}
	l.origin = origin{rec, l.keys()}
	return l, nil
}

// Record returns the record that says this.
func (l Layer) Record() record.Record {
	return l.origin.record(l.Kind(), l.Digest.String(), l.keys())
}

// fetching returns the record of a container image's layer whose bytes are being appended to
// the file at path.
func (l Layer) fetching(path string) record.Record {
	rec := l.Record().Set(keyPath, path)
	rec.Kind = kindFetching
	return rec
}

// parseFetching reads the record of a layer that is on its way.
func parseFetching(rec record.Record) (Layer, error) {
	rec.Kind = kindLayer
	return ParseLayer(rec)
}

// Kind returns the word for what it is, of records and of messages.
func (l Layer) Kind() string {
	if l.Artifact {
		return kindBlob
	}
	return kindLayer
}

// Name returns kind and digest, for errors.
func (l Layer) Name() string { return l.Kind() + " " + orNone(l.Digest.String()) }

// Key returns what the layer's stream is named by, "" if that is not known yet.
func (l Layer) Key() oci.Key {
	if l.Artifact {
		return oci.Key(l.Digest)
	}
	return oci.Key(l.DiffID)
}

// keys are in the order in which a record has them that is made here; the first is of
// container images alone, and the first five are what a manifest and its config say.
func (l Layer) keys() []record.Key {
	role := record.Key{Name: keyRole}
	if l.Referrer {
		role.Value = kindReferrer
	}
	return slices.Concat([]record.Key{
		{Name: keyDiffID, Value: l.DiffID.String()}, {Name: keyMediaType, Value: l.MediaType},
		{Name: keySize, Value: l.size()}, role, {Name: keyFor, Value: l.For.String()}, {Name: keyForm, Value: l.Form},
	}, l.place(), []record.Key{{Name: keyDirs, Value: l.Dirs}, {Name: keyProved, Value: l.Proved}})
}

// store notes that the layer is stored as a splitstream, and by what it was verified.
func (l *Layer) store(id verity.ID, proved string) {
	l.Blob.store(id)
	l.Form, l.Dirs, l.Proved = "", "", proved
}

// streamName returns the name of the layer's stream, which has a key.
func (l Layer) streamName() string {
	if l.Referrer {
		return oci.BlobName(l.Digest)
	}
	return oci.LayerName(l.Key())
}

// stored returns the stream of the layer in the repository, as oci.Stored does.
func (l Layer) stored(r *repo.Repo) (verity.ID, error) {
	if l.Referrer {
		return oci.StoredBlob(r, l.Digest)
	}
	return oci.Stored(r, l.Key(), !l.Artifact)
}

// leaseFor returns the manifest in whose folder the lease of the layer stands, "" if it needs none.
func (l Layer) leaseFor() digest.Digest { return cmp.Or(l.pulled, l.For) }
