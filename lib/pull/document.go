package pull

import (
	"errors"
	"io/fs"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/manifest"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/temporary"
)

// read returns the JSON of the manifest.
func (m Manifest) read(r *repo.Repo) ([]byte, error) {
	linked := func() ([]byte, error) {
		stored, err := oci.OpenManifest(r, m.Digest)
		if err != nil {
			return nil, err
		}
		return stored.JSON, nil
	}
	if m.Stream.IsZero() {
		return m.readFile(linked)
	}
	return ofThis(linked())
}

// read returns the JSON of the config.
func (c Config) read(r *repo.Repo) ([]byte, error) {
	open := func() (*oci.Config, error) { return oci.OpenConfig(r, c.Stream, c.Digest) }
	if c.Stream.IsZero() {
		open = func() (*oci.Config, error) { return oci.OpenNamedConfig(r, c.Digest) }
	}
	linked := func() ([]byte, error) {
		stored, err := open()
		if err != nil {
			return nil, err
		}
		return stored.JSON, nil
	}
	if c.Stream.IsZero() {
		return c.readFile(linked)
	}
	return ofThis(linked())
}

// StoredDocument returns the manifest or the config of a descriptor that the repository has, nil if
// it does not, or if that cannot be read.
func StoredDocument(r *repo.Repo, d v1.Descriptor) []byte {
	var text []byte
	if m, err := oci.OpenManifest(r, d.Digest); err == nil {
		text = m.JSON
	} else if c, err := oci.OpenNamedConfig(r, d.Digest); err == nil {
		text = c.JSON
	}
	if int64(len(text)) != d.Size {
		return nil
	}
	return text
}

// checkDocument refuses the manifest or the config of a record, if it lies in a file, which
// not all tools would read alike: its layers are not imported for another stage to refuse
// it. What else may be wrong with it that stage says.
func checkDocument(rec record.Record) error {
	if rec.Kind != kindManifest && rec.Kind != kindReferrer && (rec.Kind != kindConfig || !manifest.IsImageConfig(rec.Get(keyMediaType))) {
		return nil
	}
	b, err := parseNamed(rec)
	if err != nil || b.Path == "" {
		return nil
	}
	text, err := readFile(b.Path, b.Digest)
	if err != nil {
		return nil
	}
	var odd error
	if rec.Kind != kindConfig {
		_, odd, _ = manifest.ParseStored(text)
	} else {
		_, odd, _ = manifest.ParseStoredConfig(text)
	}
	return odd
}

// ofThis says of the error about a stream of a linked image that no retry helps: the repository does not
// have the image, as nothing but a link writes such a record.
func ofThis(text []byte, err error) ([]byte, error) {
	if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
		return nil, errElsewhere
	}
	return text, err
}

// errElsewhere is about records of an image that the repository does not have.
var errElsewhere = missing.Errorf("not in the repository: the records are of another one, or the image has been removed; pull it into this one")

// readFile reads the file that the record names, whose bytes the caller verifies. If that
// is gone, another pull of the same image may have linked it, and removed the file.
func (b Blob) readFile(linked func() ([]byte, error)) ([]byte, error) {
	text, err := readFile(b.Path, b.Digest)
	if temporary.Is(err) {
		if text, err := linked(); !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	return text, err
}

func readFile(path string, d digest.Digest) ([]byte, error) {
	f, err := fd.OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, temporary.Errorf("%q no longer exists", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return blob.ReadAll(f, d, -1)
}
