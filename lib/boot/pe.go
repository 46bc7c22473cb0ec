package boot

import (
	"encoding/binary"
	"io"
	"slices"

	"cfs/lib/corrupt"
)

// What is needed of a Portable Executable, as Microsoft's "PE Format" tells it.
const (
	dosSize    = 0x40 // the header of DOS, which ends with the offset of
	peSize     = 24   // the signature and the COFF header, before the optional header
	headerSize = 40   // of a section

	// maxText is how large a section may be that is read as text, in bytes. Linux takes
	// command lines up to 4096 bytes at most.
	maxText = 1 << 20
)

// peSignature begins the headers of an executable (Microsoft's PE Format, "Signature").
const peSignature = "PE\x00\x00"

// sections returns the headers of all sections. The error is marked as corrupt if the
// file is no executable.
func sections(r io.ReaderAt) ([]byte, error) {
	dos, err := readExactly(r, 0, dosSize)
	if err != nil {
		return nil, err
	}
	at := int64(binary.LittleEndian.Uint32(dos[0x3c:]))
	head, err := readExactly(r, at, peSize)
	noMZ := string(dos[:2]) != "MZ" // the reference does not look at it
	switch {
	case noMZ && (corrupt.Is(err) || err == nil && string(head[:4]) != peSignature):
		return nil, corrupt.Errorf("not an EFI executable: it does not begin with MZ") // at is made up
	case err != nil:
		return nil, err
	case string(head[:4]) != peSignature:
		return nil, corrupt.Errorf("not an EFI executable: no PE signature at byte %d", at)
	}
	count, optional := binary.LittleEndian.Uint16(head[6:]), binary.LittleEndian.Uint16(head[20:])
	return readExactly(r, at+peSize+int64(optional), headerSize*int64(count))
}

// section returns the content of the first section with a name, of at most 8 bytes, nil
// if there is none. It is the VirtualSize bytes from PointerToRawData on; what else a
// header says does not matter.
func section(r io.ReaderAt, headers []byte, name string) ([]byte, error) {
	var key [8]byte
	copy(key[:], name)
	for h := range slices.Chunk(headers, headerSize) {
		if [8]byte(h) != key {
			continue
		}
		size, at := binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[20:])
		if size > maxText {
			return nil, corrupt.Errorf("section %s of %d bytes: at most %d are read", name, size, maxText)
		}
		return readExactly(r, int64(at), int64(size))
	}
	return nil, nil
}

// readExactly takes memory for what is there, not for what is said to be.
func readExactly(r io.ReaderAt, at, size int64) ([]byte, error) {
	data, err := io.ReadAll(io.NewSectionReader(r, at, size))
	if err == nil && int64(len(data)) < size {
		err = corrupt.Errorf("not an EFI executable: it ends before byte %d", at+size)
	}
	return data, err
}
