package blob

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

const gzipMagic = "\x1f\x8b" // RFC 1952

// unsupported are the first bytes of compressed data that is not read, by its name.
var unsupported = []struct{ name, magic string }{
	{"xz", "\xfd7zXZ\x00"},
	{"bzip2", "BZh"}, // and more, see isBzip2
	{"lz4", "\x04\x22\x4d\x18"},
	{"lzip", "LZIP\x01"},
	{"compress", "\x1f\x9d"},
}

// Sniff tells from the first bytes how in is compressed, and returns a reader of
// the whole. The error names a compression that is not supported.
func Sniff(in io.Reader) (Compression, io.Reader, error) {
	b := bufio.NewReaderSize(in, 64<<10)
	head, err := b.Peek(10)
	if err != nil && err != io.EOF {
		return None, nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte(gzipMagic)):
		return Gzip, b, nil
	case isZstd(head):
		return Zstd, b, nil
	}
	for _, c := range unsupported {
		if bytes.HasPrefix(head, []byte(c.magic)) && (c.name != "bzip2" || isBzip2(head)) {
			return None, nil, fmt.Errorf("compressed by %s: only gzip and zstd are supported", c.name)
		}
	}
	return None, b, nil
}

// isZstd reports whether a frame begins, or one that is skipped (RFC 8878, 3.1.1 and
// 3.1.2).
func isZstd(head []byte) bool {
	if bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")) {
		return true
	}
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18"
}

// isBzip2 reports whether the magic, which a name could begin with, is followed by a block
// or by the end.
func isBzip2(head []byte) bool {
	return len(head) == 10 && (string(head[4:]) == "\x31\x41\x59\x26\x53\x59" || string(head[4:]) == "\x17\x72\x45\x38\x50\x90")
}
