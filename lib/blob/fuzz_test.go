package blob

import (
	"bytes"
	"io"
	"testing"

	"cfs/lib/corrupt"
)

// FuzzDecompress: whatever stands in a layer, it is decompressed or refused as corrupt. Of
// what decompresses well without end only the first MiB are read.
func FuzzDecompress(f *testing.F) {
	for _, seed := range [][]byte{gzipped("text"), zstded("text"), append(gzipped(""), gzipped("a")...), append(gzipped("a"), 0, 0), []byte("plain"), []byte("BZh91AY&SY"), {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, in, err := Sniff(bytes.NewReader(data))
		if err != nil {
			return // it has a compression that is not supported
		}
		out, err := Decompress(in, c)
		if err == nil {
			defer out.Close()
			_, err = io.Copy(io.Discard, io.LimitReader(out, 1<<20))
		}
		if err != nil && !corrupt.Is(err) {
			t.Errorf("%v: not marked as corrupt: %v", c, err)
		}
	})
}
