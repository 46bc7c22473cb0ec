package erofs

import (
	"bytes"
	"encoding/binary"
	"io"

	"cfs/lib/corrupt"
	"cfs/lib/tree"
	"cfs/lib/variant"
)

// Reader is an EROFS image that is read. Its methods can be called at the same time.
type Reader struct {
	data   []byte
	format variant.Format
	root   uint64    // nid
	xattrs uint64    // the offset from which references to shared xattrs count
	time   tree.Time // of compact inodes
	acl    bool      // there may be ACLs
}

// Open checks the header and the superblock of an image, whose bytes must not
// change as long as it is used. What the rest holds is checked when it is read.
// All its errors, and those of the Reader, are marked by package corrupt.
func Open(data []byte) (*Reader, error) {
	if len(data) < inodesStart {
		return nil, corrupt.Errorf("an image of %d bytes, too short for a superblock", len(data))
	}
	if len(data) > MaxSize {
		return nil, corrupt.Errorf("an image of %d bytes, more than %d", len(data), uint64(MaxSize))
	}
	var h header
	var s superblock
	binary.Decode(data, le, &h) // of fixed sizes that data has: they cannot fail
	binary.Decode(data[superOffset:], le, &s)
	if err := h.check(); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	img := &Reader{
		data:   data,
		format: variant.Format(h.ComposefsVersion),
		root:   uint64(s.RootNid),
		xattrs: uint64(s.XattrBlkaddr) * blockSize,
		time:   tree.Time{Sec: s.BuildTime, Nsec: s.BuildTimeNsec},
		acl:    h.Flags&flagHasACL != 0 || h.ComposefsVersion == uint32(variant.V2),
	}
	if img.xattrs >= uint64(len(data)) {
		return nil, corrupt.Errorf("offset %d: the shared xattrs begin after the end", superOffset+44)
	}
	return img, nil
}

// Read reads an image from a stream whose size in bytes is size, or 0 if that is not known.
// The header is checked before memory is taken for the rest: a file that is no image may be
// of any size. The errors are those of Open, and those of r.
func Read(r io.Reader, size int64) (*Reader, error) {
	head := make([]byte, inodesStart)
	n, err := io.ReadFull(r, head)
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return Open(head[:n])
	case err != nil:
		return nil, err
	}
	if _, err := ReadFormat(bytes.NewReader(head)); err != nil {
		return nil, err
	}
	var data bytes.Buffer
	data.Grow(int(max(inodesStart, min(size, MaxSize))) + bytes.MinRead)
	data.Write(head)
	if _, err := data.ReadFrom(io.LimitReader(r, MaxSize+1-inodesStart)); err != nil {
		return nil, err
	}
	if data.Len() > MaxSize {
		return nil, corrupt.Errorf("more than %d bytes, which no image has", uint64(MaxSize))
	}
	return Open(data.Bytes())
}

// ReadFormat returns the format of an image from its first bytes alone. An error of r comes
// as it is, all others are marked by package corrupt.
func ReadFormat(r io.Reader) (variant.Format, error) {
	var h header
	switch err := binary.Read(r, le, &h); {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return 0, corrupt.Errorf("header of the image: %w", err)
	case err != nil:
		return 0, err
	}
	return variant.Format(h.ComposefsVersion), h.check()
}

// check checks that this is a composefs image of a known format.
func (h *header) check() error {
	switch {
	case h.Magic != headerMagic:
		return corrupt.Errorf("offset 0: magic %#x is not that of a composefs image", h.Magic)
	case h.Version != headerVersion:
		return corrupt.Errorf("offset 4: unknown header version %d", h.Version)
	case h.ComposefsVersion > uint32(variant.V2):
		return corrupt.Errorf("offset 12: unknown composefs version %d", h.ComposefsVersion)
	}
	return nil
}

// check checks that the file system is of the kind that composefs makes.
func (s *superblock) check() error {
	if s.Magic != superMagic {
		return corrupt.Errorf("offset %d: magic %#x is not that of EROFS", superOffset, s.Magic)
	}
	for _, f := range []struct {
		offset    int
		name      string
		got, want uint64
	}{
		{8, "unknown feature_compat", uint64(s.FeatureCompat &^ compatKnown), 0},
		{12, "blkszbits", uint64(s.BlockBits), blockBits},
		{13, "sb_extslots", uint64(s.ExtSlots), 0},
		{40, "meta_blkaddr", uint64(s.MetaBlkaddr), 0},
		{80, "unknown feature_incompat", uint64(s.FeatureIncompat &^ incompatKnown), 0},
		{84, "available_compr_algs", uint64(s.ComprAlgs), 0},
		{86, "extra_devices", uint64(s.ExtraDevices), 0},
		{90, "dirblkbits", uint64(s.DirBlockBits), 0},
		{91, "xattr_prefix_count", uint64(s.XattrPrefixCount), 0},
		{96, "packed_nid", s.PackedNid, 0},
	} {
		if f.got != f.want {
			return corrupt.Errorf("offset %d: %s is %#x, not %#x", superOffset+f.offset, f.name, f.got, f.want)
		}
	}
	return nil
}

// Format returns the format of the image.
func (img *Reader) Format() variant.Format { return img.format }

// Mismatch returns the offset of the first byte in which two images differ, or of the
// end of the shorter one. The second result is false if they are equal.
func (img *Reader) Mismatch(other *Reader) (offset int, differ bool) {
	if bytes.Equal(img.data, other.data) {
		return 0, false
	}
	n := min(len(img.data), len(other.data))
	for i := range n {
		if img.data[i] != other.data[i] {
			return i, true
		}
	}
	return n, true
}

// slice returns n bytes from offset on, if the image has them.
func (img *Reader) slice(offset, n uint64) ([]byte, error) {
	size := uint64(len(img.data))
	if offset > size || n > size-offset {
		return nil, corrupt.Errorf("offset %d: %d bytes go beyond the end at %d", offset, n, size)
	}
	return img.data[offset : offset+n : offset+n], nil
}
