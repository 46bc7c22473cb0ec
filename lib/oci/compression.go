package oci

import (
	"bufio"
	"context"
	"io"

	"cfs/lib/blob"
	"cfs/lib/tarball"
	"cfs/lib/tolerance"
)

// decompress returns the tar of a layer. How it is compressed its first bytes say, whatever
// its media type does; said is "" where there is none. That they disagree is noted.
func decompress(ctx context.Context, in io.Reader, said blob.Compression, src Source) (io.ReadCloser, error) {
	found, in, err := blob.Sniff(in)
	if err != nil {
		return nil, err
	}
	if said == "" || found == said {
		return blob.DecompressWithin(ctx, in, found, src.Windows)
	}
	if found == blob.None {
		isTar, head := startsTar(in)
		if in = head; !isTar {
			return blob.DecompressWithin(ctx, in, said, src.Windows) // which says what is wrong with it
		}
	}
	if err := src.Rules.Note(tolerance.OtherCompression, "", found, said); err != nil {
		return nil, err
	}
	return blob.DecompressWithin(ctx, in, found, src.Windows)
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
