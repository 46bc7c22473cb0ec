package objects

import (
	"io"
	"sync"

	"cfs/lib/verity"
)

// chunk is how many bytes of a large file are read and written at once.
const chunk = 1 << 20

// buffers holds buffers of verity.Small and of chunk bytes, and hashes, for reuse.
type buffers struct{ small, large, hashes sync.Pool }

func take(p *sync.Pool, size int) *[]byte {
	if b, ok := p.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, size)
	return &b
}

// hash returns a hash for the empty file, which may be put back into the pool.
func (s *Store) hash() *verity.Hash {
	if h, ok := s.buffers.hashes.Get().(*verity.Hash); ok {
		h.Reset()
		return h
	}
	return s.config.Algorithm.New()
}

// sum returns the digest of data.
func (s *Store) sum(data []byte) verity.ID {
	h := s.hash()
	defer s.buffers.hashes.Put(h)
	h.Write(data)
	return h.ID()
}

// hashFile adds to h what is left to read of in, and returns how many bytes that is.
func (s *Store) hashFile(h *verity.Hash, in io.Reader) (size int64, err error) {
	return s.hashBoth(h, nil, in)
}

// hashBoth is hashFile for two hashes, of which the second may be nil. Much data goes to both at the same time.
func (s *Store) hashBoth(h *verity.Hash, second io.Writer, in io.Reader) (size int64, err error) {
	b := take(&s.buffers.large, chunk)
	defer s.buffers.large.Put(b)
	for {
		n, err := in.Read(*b)
		writeBoth(h, second, (*b)[:n])
		size += int64(n)
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

// writeBoth gives data to both hashes.
func writeBoth(h *verity.Hash, second io.Writer, data []byte) {
	if second == nil {
		h.Write(data)
		return
	}
	var hashing sync.WaitGroup
	if len(data) < beside {
		h.Write(data)
	} else {
		hashing.Go(func() { h.Write(data) })
	}
	second.Write(data)
	hashing.Wait()
}
