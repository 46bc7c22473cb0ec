package erofs

import (
	"bytes"
	"fmt"
	"iter"

	"cfs/lib/corrupt"
)

// dirent is an entry of a directory that was read.
type dirent struct {
	name     string
	nid      uint64
	fileType uint8
}

// direntChunk is a block of a directory, or its tail: entries, then their names.
type direntChunk struct {
	headers []byte
	names   []byte // from the first name to the end of the last
}

// checkDir checks that a directory is stored in a layout that directories have.
func (in *inode) checkDir() error {
	if in.layout == chunkBased || in.layout == flatPlain && in.size%blockSize != 0 {
		return corrupt.Errorf("offset %d: a directory of %d bytes in layout %d", in.offset(), in.size, in.layout)
	}
	return nil
}

// chunks returns how many parts a directory has that are to be read each by itself.
func (in *inode) chunks() int {
	n := len(in.blocks) / blockSize
	if len(in.tail) > 0 {
		n++
	}
	return n
}

// chunk reads one of them.
func (in *inode) chunk(number int) (direntChunk, error) {
	b := in.tail
	if start := number * blockSize; start < len(in.blocks) {
		b = in.blocks[start : start+blockSize]
	}
	c, err := parseChunk(b)
	if err != nil {
		err = in.failChunk(number, err)
	}
	return c, err
}

func (in *inode) failChunk(number int, err error) error {
	return fmt.Errorf("offset %d: directory block %d: %w", in.offset(), number, err)
}

// entries gives the entries of a directory, "." and ".." too, until one of them
// is wrong. Their order is not checked.
func (in *inode) entries() iter.Seq2[dirent, error] {
	return func(yield func(dirent, error) bool) {
		if err := in.checkDir(); err != nil {
			yield(dirent{}, err)
			return
		}
		for number := range in.chunks() {
			c, err := in.chunk(number)
			if err != nil {
				yield(dirent{}, err)
				return
			}
			names := string(c.names) // one for all of the entries takes less memory than one for each
			for i := range c.len() {
				h, err := c.header(i)
				if err != nil {
					yield(dirent{}, in.failChunk(number, err))
					return
				}
				if !yield(dirent{names[h.start:h.end], h.nid, h.fileType}, nil) {
					return
				}
			}
		}
	}
}

// parseChunk reads a chunk. The offset of its first name tells how many entries
// come before that; its last name ends with the chunk or at the first NUL.
func parseChunk(b []byte) (direntChunk, error) {
	if len(b) < direntSize {
		return direntChunk{}, corrupt.Errorf("%d bytes of entries", len(b))
	}
	first := int(le.Uint16(b[8:]))
	if first == 0 || first%direntSize != 0 || first > len(b) {
		return direntChunk{}, corrupt.Errorf("entries with their first name at %d of %d bytes", first, len(b))
	}
	c := direntChunk{headers: b[:first], names: b[first:]}
	last := int(le.Uint16(b[first-direntSize+8:])) - first
	if last < 0 || last > len(c.names) {
		return direntChunk{}, corrupt.Errorf("entries with their last name at %d of %d bytes", first+last, len(b))
	}
	if end := bytes.IndexByte(c.names[last:], 0); end >= 0 {
		c.names = c.names[:last+end]
	}
	return c, nil
}

func (c direntChunk) len() int { return len(c.headers) / direntSize }

// direntHeader is an entry without its name, which is at names[start:end].
type direntHeader struct {
	nid        uint64
	start, end int
	fileType   uint8
}

// header returns entry i, whose name can be "." or "..".
func (c direntChunk) header(i int) (direntHeader, error) {
	b := c.headers[i*direntSize:]
	h := direntHeader{nid: le.Uint64(b), fileType: b[10], start: int(le.Uint16(b[8:])) - len(c.headers), end: len(c.names)}
	if i+1 < c.len() {
		h.end = int(le.Uint16(b[direntSize+8:])) - len(c.headers)
	}
	if h.start < 0 || h.start > h.end || h.end > len(c.names) {
		return h, corrupt.Errorf("entry %d of %d: its name is not within the entries", i, c.len())
	}
	name := string(c.names[h.start:h.end])
	if name == "." || name == ".." {
		return h, nil
	}
	if err := checkName(name); err != nil {
		return h, corrupt.Errorf("entry %d of %d: %w", i, c.len(), err)
	}
	return h, nil
}
