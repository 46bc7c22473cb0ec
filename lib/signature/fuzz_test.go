package signature

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzVerify: a blob is not taken for the signature of two digests, nor accepted without
// naming somebody who is trusted, whatever it is; and nothing panics. The seeds are by the key
// of testdata/cert.pem, which is public: good.p7s is over signed.tbs.
func FuzzVerify(f *testing.F) {
	read := func(name string) []byte {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		return data
	}
	trusted, err := ParseCertificates(read("cert.pem"))
	if err != nil {
		f.Fatal(err)
	}
	id := idOf(f, read("signed.tbs"))
	sum := bytes.Clone(id.Bytes())
	sum[0] ^= 1
	other := id.Algorithm().MakeID(sum)
	if _, err := Verify(read("blobs/good.p7s"), id, trusted); err != nil {
		f.Fatal(err)
	}
	seeds, err := filepath.Glob("testdata/blobs/*.p7s")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range seeds {
		f.Add(read("blobs/" + filepath.Base(path)))
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		_, err := Verify(blob, id, trusted)
		if err == nil && !NamesTrusted(blob, trusted) {
			t.Error("verified, though nobody is named who is trusted")
		}
		if _, err := Verify(blob, other, trusted); err == nil {
			t.Error("holds for another digest")
		}
	})
}
