package manifest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
)

// Layout is a directory in the OCI image layout.
type Layout struct{ path string }

// OpenLayout opens the layout at path. The error wraps fs.ErrNotExist if there is
// none.
func OpenLayout(path string) (*Layout, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	l := &Layout{abs}
	text, err := l.readFile(v1.ImageLayoutFile)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", path, err)
	}
	var head v1.ImageLayout
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, corrupt.Errorf("OCI layout %s: %s: %w", path, v1.ImageLayoutFile, err)
	}
	if head.Version != v1.ImageLayoutVersion {
		return nil, fmt.Errorf("OCI layout %s: version %q is not known: want %s", path, head.Version, v1.ImageLayoutVersion)
	}
	return l, nil
}

func (l *Layout) readFile(name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(l.path, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return blob.ReadJSON(f, name)
}

// Path returns where the blob of a digest lies, whether it is there or not.
func (l *Layout) Path(d digest.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", corrupt.Errorf("digest %q: %w", d, err)
	}
	return filepath.Join(l.path, "blobs", d.Algorithm().String(), d.Encoded()), nil
}

// Open opens a blob, whose bytes come verified.
func (l *Layout) Open(d v1.Descriptor) (io.ReadCloser, error) {
	path, err := l.Path(d.Digest)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	r, err := blob.NewReader(f, d.Digest, d.Size)
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

// ReadAll returns a blob of JSON, verified.
func (l *Layout) ReadAll(d v1.Descriptor) ([]byte, error) {
	if d.Size < 0 || d.Size > blob.MaxJSON {
		return nil, corrupt.Errorf("blob %s of %d bytes is larger than %d", d.Digest, d.Size, blob.MaxJSON)
	}
	r, err := l.Open(d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
