package oci

import (
	"bufio"
	"io"

	"cfs/lib/blob"
	"cfs/lib/tarball"
	"cfs/lib/tolerance"
)

// decompress returns the tar of a layer. How it is compressed its first bytes say, whatever
// its media type does; said is "" where there is none. That they disagree is noted.
func decompress(in io.Reader, said blob.Compression, rules *tolerance.Rules) (io.ReadCloser, error) {
	found, in, err := blob.Sniff(in)
	if err != nil {
		return nil, err
	}
	if said == "" || found == said {
		return blob.Decompress(in, found)
	}
	if found == blob.None {
		isTar, head := startsTar(in)
		if in = head; !isTar {
			return blob.Decompress(in, said) // which says what is wrong with it
		}
	}
	if err := rules.Note(tolerance.OtherCompression, "", found, said); err != nil {
		return nil, err
	}
	return blob.Decompress(in, found)
}

// startsTar reports whether in can be an uncompressed tar, and returns a reader of the
// whole. Errors of reading come when the rest is read.
func startsTar(in io.Reader) (bool, io.Reader) {
	b := bufio.NewReaderSize(in, 64<<10)
	head, err := b.Peek(tarball.BlockSize)
	if err != nil {
		return err == io.EOF && len(head) == 0, b
	}
	return tarball.IsHeader([tarball.BlockSize]byte(head)), b
}
