package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/temporary"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Link is what an image is made of, before it is linked: the JSON of manifest and
// config, verified, and what is claimed to be stored for them.
type Link struct {
	Digest       digest.Digest // of the manifest
	Manifest     v1.Manifest
	ManifestJSON []byte
	ConfigJSON   []byte
	Keys         []Key             // of the layers, in order
	Streams      map[Key]verity.ID // of the layers
	Images       map[variant.Variant]verity.ID
	Entry        func(n int64) // is told of each entry that Tree merges; it may be nil

	referrer bool // its layers are stored as blobs of one
}

// NewLink reads the JSON of a manifest and of its config.
func NewLink(d digest.Digest, text, config []byte) (*Link, error) {
	l := &Link{Digest: d, ManifestJSON: text, ConfigJSON: config, Streams: map[Key]verity.ID{}, Images: map[variant.Variant]verity.ID{}}
	if err := verify(d, text); err != nil {
		return nil, err
	}
	var err error
	if l.Manifest, err = manifest.Parse(text); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	if err := verify(l.Manifest.Config.Digest, config); err != nil {
		return nil, err
	}
	if l.Keys, err = LayerKeys(l.Manifest, config); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	return l, nil
}

// IsContainer tells container images from artifacts.
func (l *Link) IsContainer() bool { return manifest.IsImageConfig(l.Manifest.Config.MediaType) }

// Write writes the config and the manifest of an image, each with its references, and
// returns the image. All that they hold is durable before either gets its name, and the
// config gets its name first. What was written is durable then; names that were found are
// after r.SyncNames. References to EROFS images that the config had and that l does not
// replace stay. What is there and says the same is left alone. The error is ErrIncomplete if a layer that the image
// does not hold yet is not whole. The caller holds LockStreams.
func (l *Link) Write(r *repo.Repo) (*Image, error) {
	layers, err := l.layers(r)
	if err != nil {
		return nil, err
	}
	old, err := current(r, ConfigName(l.Manifest.Config.Digest), l.Manifest.Config.Digest, splitstream.Config)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", l.Manifest.Config.Digest, err)
	}
	objects := sync.OnceValues(func() ([]verity.ID, error) { return objectsOf(r, layers) })
	if err := l.checkFresh(r, layers, objects, old); err != nil {
		return nil, err
	}
	if err := l.checkImages(r, layers, objects, old); err != nil {
		return nil, err
	}
	config, err := l.writeConfig(r, layers, objects, old)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", l.Manifest.Config.Digest, err)
	}
	manifest, err := l.writeManifest(r, config.id, layers)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", l.Digest, err)
	}
	if err := nameAll(r, config, manifest); err != nil {
		return nil, err
	}
	return OpenImage(r, l.Digest)
}

// checkFresh checks that those layers are whole which the image does not hold yet. Whether
// what it does hold still is, a check of the repository tells. objects returns those of all
// layers; old is the image's config.
func (l *Link) checkFresh(r *repo.Repo, layers []splitstream.Ref, objects func() ([]verity.ID, error), old *document) (err error) {
	if !l.IsContainer() { // its config refers to no layers
		if old, err = current(r, ManifestName(l.Digest), l.Digest, splitstream.Manifest); err != nil {
			return fmt.Errorf("manifest %s: %w", l.Digest, err)
		}
	}
	fresh := slices.DeleteFunc(slices.Clone(layers), func(ref splitstream.Ref) bool { return old.hasRefs([]splitstream.Ref{ref}) })
	if len(fresh) < len(layers) {
		objects = func() ([]verity.ID, error) { return objectsOf(r, fresh) }
	}
	return checkWhole(r, fresh, objects)
}

func (l *Link) writeManifest(r *repo.Repo, config verity.ID, layers []splitstream.Ref) (written, error) {
	refs := []splitstream.Ref{{Name: configKey + l.Manifest.Config.Digest.String(), ID: config}}
	refs = append(refs, layers...)
	if l.Manifest.Config.MediaType == manifest.DockerConfig {
		// The reference takes it for an artifact, and looks its layers up by
		// their own digests.
		for i, d := range l.Manifest.Layers {
			refs = addRef(refs, d.Digest.String(), l.Streams[l.Keys[i]])
		}
	}
	name := ManifestName(l.Digest)
	old, err := current(r, name, l.Digest, splitstream.Manifest)
	if err != nil {
		return written{}, err
	}
	return write(r, name, splitstream.Manifest, l.ManifestJSON, refs, old)
}

// CheckLayers checks that the streams which are claimed for the layers are those that have
// their names, and takes in the named ones. The error is temporary if one is gone.
func (l *Link) CheckLayers(r *repo.Repo) error {
	_, err := l.layers(r)
	return err
}

// layers returns a reference for each layer, in order, each once. The stream that is
// claimed for a layer must be the one that has its name, or what that was before the layer
// was cut anew; Streams has the named one then.
func (l *Link) layers(r *repo.Repo) ([]splitstream.Ref, error) {
	var refs []splitstream.Ref
	for _, key := range l.Keys {
		named, err := l.checkStream(r, key)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", key, err)
		}
		l.Streams[key] = named
		refs = addRef(refs, key.String(), l.Streams[key])
	}
	return refs, nil
}

func addRef(refs []splitstream.Ref, name string, id verity.ID) []splitstream.Ref {
	for _, ref := range refs {
		if ref.Name == name {
			return refs
		}
	}
	return append(refs, splitstream.Ref{Name: name, ID: id})
}

// errGone is the error of a record that refers to data which has since been
// garbage-collected.
var errGone = temporary.Errorf("its stream no longer exists")

// checkStream checks what is claimed for a layer, which in a container image must be
// a tar, and returns the stream that has its name.
func (l *Link) checkStream(r *repo.Repo, key Key) (verity.ID, error) {
	claimed, name := l.Streams[key], LayerName(key)
	if claimed.IsZero() {
		return claimed, errors.New("no record names its stream")
	}
	if l.referrer {
		name = BlobName(digest.Digest(key))
	}
	named, err := r.Lookup(repo.Streams, name)
	if errors.Is(err, fs.ErrNotExist) {
		return named, errGone
	}
	if err != nil {
		return named, err
	}
	if named != claimed {
		same, err := sameBytes(r, key, claimed)
		if err != nil {
			return named, err
		}
		if !same {
			return named, corrupt.Errorf("stream %s is claimed for it, its name points to %s", claimed, named)
		}
	}
	return named, checkType(r, named, l.IsContainer())
}

func checkType(r *repo.Repo, id verity.ID, container bool) error {
	typ, err := typeOf(r, id)
	if errors.Is(err, fs.ErrNotExist) {
		return errGone // and has left its name
	}
	if err != nil {
		return err
	}
	if container && typ != splitstream.Layer {
		return corrupt.Errorf("its stream is of type %q, want %q", typ, splitstream.Layer)
	}
	return nil
}

// checkImages opens the EROFS images, and checks that they need no object which is
// not in the layers: such an image would lose it to the next collection. One that the
// old config refers to beside the same layers was linked before: that it is there is
// enough. objects returns those of the layers.
func (l *Link) checkImages(r *repo.Repo, layers []splitstream.Ref, objects func() ([]verity.ID, error), old *document) error {
	fresh := make(map[variant.Variant]verity.ID)
	for v, id := range l.Images {
		if err := checkFormat(r, id, v.Format); err != nil {
			return err
		}
		if !old.hasRefs(append(layers[:len(layers):len(layers)], splitstream.Ref{Name: v.Key(), ID: id})) {
			fresh[v] = id
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	all, err := objects()
	if err != nil {
		return err
	}
	for _, id := range fresh {
		if err := checkImage(r, id, all); err != nil {
			return err
		}
	}
	return nil
}

func checkFormat(r *repo.Repo, id verity.ID, want variant.Format) error {
	format, err := EROFSFormat(r, id)
	if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
		return temporary.Errorf("EROFS image %s no longer exists", id)
	}
	if err == nil && format != want {
		err = corrupt.Errorf("EROFS image %s is of format %d, not %d", id, format, want)
	}
	return err
}

// checkImage checks one EROFS image against the sorted objects of the layers.
func checkImage(r *repo.Repo, id verity.ID, objects []verity.ID) error {
	image, err := OpenEROFS(r, id)
	if err != nil {
		return err
	}
	err = image.Objects(func(object verity.ID) error {
		if _, ok := slices.BinarySearchFunc(objects, object, verity.ID.Compare); !ok {
			return corrupt.Errorf("not of these layers: object %s is in none of them", object)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("EROFS image %s: %w", id, err)
	}
	return nil
}

// writeConfig writes the config's stream with the references that it has now. The
// config of an artifact, often an empty one that many share, refers to no layers.
func (l *Link) writeConfig(r *repo.Repo, layers []splitstream.Ref, objects func() ([]verity.ID, error), old *document) (written, error) {
	name := ConfigName(l.Manifest.Config.Digest)
	if !l.IsContainer() {
		if old != nil && bytes.Equal(old.JSON, l.ConfigJSON) {
			return written{name: name, id: old.ID}, nil
		}
		return write(r, name, splitstream.Config, l.ConfigJSON, nil, nil)
	}
	images := Config{Images: map[string]verity.ID{}}
	for v, id := range l.Images {
		images.Images[v.Key()] = id
	}
	if err := l.keepImages(r, images.Images, objects, old); err != nil {
		return written{}, err
	}
	refs := append([]splitstream.Ref(nil), layers...)
	for _, key := range images.ImageKeys() {
		refs = append(refs, splitstream.Ref{Name: key, ID: images.Images[key]})
	}
	return write(r, name, splitstream.Config, l.ConfigJSON, refs, old)
}

// keepImages adds to images those that the old config refers to and that are not replaced. One
// that is corrupt, or needs an object which is in none of the layers, is left out; one that
// is lost may be made again. What a later writer calls an image is not looked at.
func (l *Link) keepImages(r *repo.Repo, images map[string]verity.ID, objects func() ([]verity.ID, error), old *document) error {
	if old == nil {
		return nil
	}
	for _, ref := range old.refs {
		if _, replaced := images[ref.Name]; replaced || !variant.IsKey(ref.Name) {
			continue
		}
		if _, known := variant.ParseKey(ref.Name); known {
			all, err := objects()
			if err != nil {
				return err
			}
			err = checkImage(r, ref.ID, all)
			switch {
			case corrupt.Is(err):
				r.Odd(fmt.Errorf("config %s: its reference %s is dropped: %w", l.Manifest.Config.Digest, ref.Name, err))
				continue
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				return err
			}
		}
		images[ref.Name] = ref.ID
	}
	return nil
}

// current reads the document of a digest that has a name now, nil if none has. One that is
// corrupt, has lost its JSON, or is that of another digest, is as good as none: it is written
// anew. One that cannot be read may be
// whole, and have references: that is an error.
func current(r *repo.Repo, name string, d digest.Digest, typ splitstream.ContentType) (*document, error) {
	id, err := r.Lookup(repo.Streams, name)
	if err == nil {
		var doc *document
		if doc, err = readDocument(r, id, typ); err == nil {
			err = verify(d, doc.JSON)
		}
		if err == nil {
			return doc, nil
		}
	}
	if corrupt.OrMissing(err) {
		return nil, nil
	}
	return nil, err
}

// written is a document that is stored, and waits for its name unless that leads to it.
type written struct {
	name  string
	id    verity.ID
	fresh bool // it needs its name, and is not durable yet
}

func write(r *repo.Repo, name string, typ splitstream.ContentType, text []byte, refs []splitstream.Ref, old *document) (written, error) {
	id, err := writeDocument(r, typ, text, refs, old)
	return written{name, id, old == nil || id != old.ID}, err
}

// nameAll makes documents durable by one flush, and their names by another one. They get
// their names in order, but a power cut may keep the last one alone: nothing is lost then, as
// references lead to objects and not to names.
func nameAll(r *repo.Repo, docs ...written) error {
	r.FoundName(repo.Streams)
	fresh := func(w written) bool { return w.fresh }
	if !slices.ContainsFunc(docs, fresh) {
		return nil
	}
	if err := r.Sync(); err != nil {
		return err
	}
	for _, w := range docs {
		if !w.fresh {
			continue
		}
		if err := r.Link(repo.Streams, w.name, w.id); err != nil {
			return err
		}
	}
	return r.SyncNames()
}
