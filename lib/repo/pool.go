package repo

import (
	"io"
	"os"
	"sync"

	"cfs/lib/verity"
)

// buffers holds buffers of Small and of chunk bytes, and hashes, for reuse.
type buffers struct{ small, large, hashes sync.Pool }

func take(p *sync.Pool, size int) *[]byte {
	if b, ok := p.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, size)
	return &b
}

// hash returns a hash for the empty file, which may be put back into the pool.
func (r *Repo) hash() *verity.Hash {
	if h, ok := r.buffers.hashes.Get().(*verity.Hash); ok {
		h.Reset()
		return h
	}
	return r.Algorithm.New()
}

// sum returns the digest of data.
func (r *Repo) sum(data []byte) verity.ID {
	h := r.hash()
	defer r.buffers.hashes.Put(h)
	h.Write(data)
	return h.ID()
}

// sumFile returns the digest of what is left to read of f.
func (r *Repo) sumFile(f *os.File) (verity.ID, error) {
	h := r.hash()
	defer r.buffers.hashes.Put(h)
	b := take(&r.buffers.large, chunk)
	defer r.buffers.large.Put(b)
	for {
		n, err := f.Read(*b)
		h.Write((*b)[:n])
		if err == io.EOF {
			return h.ID(), nil
		}
		if err != nil {
			return verity.ID{}, err
		}
	}
}
