// Package blob reads OCI blobs, that is manifests, configs and layers: each is verified against
// its digest and size while it is read, and layers are decompressed.
package blob

import (
	"io"

	_ "crypto/sha256" // go-digest panics for algorithms that are not linked in
	_ "crypto/sha512"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
)

// MaxJSON is the size in bytes up to which manifests, configs and indexes are read, which
// registries are to take (OCI distribution specification, "Pushing manifests").
const MaxJSON = 4 << 20

// ReadJSON reads a document of at most MaxJSON bytes, which name stands for in the error.
func ReadJSON(in io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, MaxJSON+1))
	if err == nil && len(text) > MaxJSON {
		err = corrupt.Errorf("%s is larger than %d bytes", name, MaxJSON)
	}
	return text, err
}

// Reader gives a blob's bytes and, at their end, an error that is marked as corrupt
// if they are not what the digest or the size says.
type Reader struct {
	in       io.Reader
	want     digest.Digest
	verifier digest.Verifier
	size     int64
	read     int64
}

// NewReader returns a Reader of what in gives, which must have the digest want and,
// unless it is negative, that size in bytes.
func NewReader(in io.Reader, want digest.Digest, size int64) (*Reader, error) {
	if err := want.Validate(); err != nil {
		return nil, corrupt.Errorf("digest %q: %w", want, err)
	}
	return &Reader{in: in, want: want, verifier: want.Verifier(), size: size}, nil
}

// Read gives the next bytes, never one more than the size.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.read += int64(n)
	if r.size >= 0 && r.read > r.size {
		return 0, corrupt.Errorf("blob %s is longer than its %d bytes", r.want, r.size)
	}
	r.verifier.Write(p[:n])
	if err != io.EOF {
		return n, err
	}
	switch {
	case r.size >= 0 && r.read != r.size:
		return n, corrupt.Errorf("blob %s has %d bytes, want %d", r.want, r.read, r.size)
	case !r.verifier.Verified():
		return n, corrupt.Errorf("blob %s: its content has a different digest", r.want)
	}
	return n, io.EOF
}

// Size returns how many bytes were read so far.
func (r *Reader) Size() int64 { return r.read }

// Drain reads what is left, so that all is verified.
func (r *Reader) Drain() error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// ReadAll returns a whole blob of at most MaxJSON bytes, verified.
func ReadAll(in io.Reader, want digest.Digest, size int64) ([]byte, error) {
	r, err := NewReader(io.LimitReader(in, MaxJSON+1), want, size)
	if err != nil {
		return nil, err
	}
	if size > MaxJSON {
		return nil, corrupt.Errorf("blob %s of %d bytes is larger than %d", want, size, MaxJSON)
	}
	return io.ReadAll(r)
}
