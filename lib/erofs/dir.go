package erofs

import (
	"fmt"
	"iter"
	"strings"

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
	names   string // from the first name to the end of the last
}

// chunks returns the parts of a directory that are to be read each by itself.
func (in *inode) chunks() ([][]byte, error) {
	if in.layout == chunkBased || in.layout == flatPlain && in.size%blockSize != 0 {
		return nil, corrupt.Errorf("offset %d: a directory of %d bytes in layout %d", in.offset(), in.size, in.layout)
	}
	list := make([][]byte, 0, len(in.blocks)/blockSize+1)
	for b := in.blocks; len(b) > 0; b = b[blockSize:] {
		list = append(list, b[:blockSize])
	}
	if len(in.tail) > 0 {
		list = append(list, in.tail)
	}
	return list, nil
}

// entries gives the entries of a directory, "." and ".." too, until one of them
// is wrong. Their order is not checked.
func (in *inode) entries() iter.Seq2[dirent, error] {
	return func(yield func(dirent, error) bool) {
		chunks, err := in.chunks()
		if err != nil {
			yield(dirent{}, err)
			return
		}
		for number, data := range chunks {
			c, err := parseChunk(data)
			for i := 0; err == nil && i < c.len(); i++ {
				var d dirent
				if d, err = c.entry(i); err == nil && !yield(d, nil) {
					return
				}
			}
			if err != nil {
				yield(dirent{}, fmt.Errorf("offset %d: directory block %d: %w", in.offset(), number, err))
				return
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
	c := direntChunk{headers: b[:first], names: string(b[first:])}
	last := int(le.Uint16(b[first-direntSize+8:])) - first
	if last < 0 || last > len(c.names) {
		return direntChunk{}, corrupt.Errorf("entries with their last name at %d of %d bytes", first+last, len(b))
	}
	if end := strings.IndexByte(c.names[last:], 0); end >= 0 {
		c.names = c.names[:last+end]
	}
	return c, nil
}

func (c direntChunk) len() int { return len(c.headers) / direntSize }

// entry returns entry i, whose name can be "." or "..".
func (c direntChunk) entry(i int) (dirent, error) {
	h := c.headers[i*direntSize:]
	d := dirent{nid: le.Uint64(h), fileType: h[10]}
	start := int(le.Uint16(h[8:])) - len(c.headers)
	end := len(c.names)
	if i+1 < c.len() {
		end = int(le.Uint16(h[direntSize+8:])) - len(c.headers)
	}
	if start < 0 || start > end || end > len(c.names) {
		return d, corrupt.Errorf("entry %d of %d: its name is not within the entries", i, c.len())
	}
	d.name = c.names[start:end]
	if d.name == "." || d.name == ".." {
		return d, nil
	}
	if err := checkName(d.name); err != nil {
		return d, corrupt.Errorf("entry %d of %d: %w", i, c.len(), err)
	}
	return d, nil
}
