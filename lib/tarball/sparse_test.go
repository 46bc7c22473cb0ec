package tarball_test

import (
	"errors"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/tarball"
	"cfs/testdata/rawtar"
)

// TestSparse: sparse members, in each of the ways to say so, are not supported, which is not
// the fault of the tar.
func TestSparse(t *testing.T) {
	for name, data := range map[string][]byte{
		"GNU": rawtar.Tar(rawtar.Member{Type: 'S', Name: "a", Magic: rawtar.GNU}),
		"0.0": rawtar.Tar(pax("GNU.sparse.offset=0", "GNU.sparse.numbytes=1"), file("a", "x")),
		"0.1": rawtar.Tar(pax("GNU.sparse.map=0,1"), file("a", "x")),
		"1.0": rawtar.Tar(pax("GNU.sparse.major=1", "GNU.sparse.minor=0"), file("a", "1\n0\n1\n")),
		"odd": rawtar.Tar(pax("GNU.sparse.major=x", "GNU.sparse.minor=0"), file("a", "x")),
	} {
		if _, _, err := show(t, data, true); !errors.Is(err, tarball.ErrSparse) || corrupt.Is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
