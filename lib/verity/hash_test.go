package verity

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"cfs/lib/internal/cputime"
)

// pattern is P(n) of the specification: byte i is i mod 251.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i % 251)
	}
	return p
}

// The digests below were made by the distribution's fsverity(1) and by the
// reference implementation.
var digests = []struct {
	name   string
	data   []byte
	digest string
}{
	{"empty", nil, "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95"},
	{"a", []byte("a"), "bce75948b9e7510293f8f2720412af9697c1479281323f3f220623fb8e94b557"},
	{"zero byte", []byte{0}, "b803429503d95915829b29fdbc8bbad142f3abfd11b1cadf5526582e685c0551"},
	{"hello", []byte("hello world"), "1e2eaa4202d750a41174ee454970b92c1bc2f925b1e35076d8c7d5f56362ba64"},
	{"4096", pattern(4096), "13e9b8848ae484a36acb3f3cac0ceb2f7601e96633d15c92f9bd3dd44e492157"},
	{"4097", pattern(4097), "b0d074abef4d544404facfab6ba242f6a8ccbde90f1325cd286f3c8aa8d0f8aa"},
	{"524288", pattern(524288), "d82861203d50ae9b60948504a704f35f5118bd229aeb1a22d6dae47b1767c4c4"},
	{"524289", pattern(524289), "4dc6905041c9c4ee73e13b53f63f5d289c46da359b664a965ead7f8cc4d799d4"},
	{"1048577", pattern(1048577), "89f2376c7699bfe271478a8e3356d434d4a35784edce47fac74c8e5bc7456c1d"},
	{"empty", nil, "ccf9e5aea1c2a64efa2f2354a6024b90dffde6bbc017825045dce374474e13d10adb9dadcc6ca8e17a3c075fbd31336e8f266ae6fa93a6c3bed66f9e784e5abf"},
	{"a", []byte("a"), "829b82e4646ed8804b8481d26202f11dafed5acde87623a34e9e813fed884e86a787bb38095921f6128e2a53f116145b4528b2bfe218c6df6717a03d0be90f4b"},
	{"hello", []byte("hello world"), "18430270729d162d4e469daca123ae61893db4b0583d8f7081e3bf4f92b88ba514e7982f10733fb6aa895195c5ae8fd2eb2c47a8be05513ce5a0c51a6f570409"},
	{"4096", pattern(4096), "7bf994782b368ecc4e20ce9144701b1a30524d5bbc90987625de22eebc8cf370ec846c1b5e77f9099c6f6cfc0b590359b9ac8083a43e5f7fa5ec05a25dab6e03"},
	{"4097", pattern(4097), "97a1e45daaa69bd7b31908cf835318ba36476984ffa7f4a5913c0187db04ce5f19dc80306f493741d4ad1cdd212b7a9d2691aa3d42563d35471363fbb0fc7f1c"},
	{"262145", pattern(262145), "db774f463acc1e672e4da91d045eb146f2647efec545951fb7005067ff9899da3ae94dc206531b40985587ce4e5eb173a235d51b488074067d9e34131814b9de"},
	{"1048577", pattern(1048577), "fcaffb1aaac7a827418e03bfde3a626f8a58abe522590c4fa6a9bd7edda641111ae208857cf02a6a5b8dd433dbb9c8cfc5d030133d33cc2856e36776ccb23fc9"},
}

func TestSum(t *testing.T) {
	for _, v := range digests {
		want, err := ParseID(v.digest)
		if err != nil {
			t.Fatal(err)
		}
		if got := want.Algorithm().Sum(v.data); got != want {
			t.Errorf("%s %s: got %s, want %s", want.Algorithm(), v.name, got, want)
		}
	}
}

// Whatever the sizes of the writes, the digest is that of the whole; and a Hash
// that was reset is as good as a new one.
func TestPiecewise(t *testing.T) {
	h := map[Algorithm]*Hash{SHA256: SHA256.New(), SHA512: SHA512.New()}
	for _, v := range digests {
		want, _ := ParseID(v.digest)
		for _, piece := range []int{1000, 4095, 4096, 4097, 100000} {
			h := h[want.Algorithm()]
			h.Reset()
			r := bytes.NewReader(v.data)
			for {
				if _, err := io.CopyN(h, r, int64(piece)); err != nil {
					break
				}
			}
			if got := h.ID(); got != want {
				t.Errorf("%s %s in pieces of %d: got %s, want %s", want.Algorithm(), v.name, piece, got, want)
			}
		}
	}
}

func TestParseObjectPath(t *testing.T) {
	id := SHA256.Sum([]byte("x"))
	for _, path := range []string{id.ObjectPath(), "/" + id.ObjectPath(), "../objects/" + id.ObjectPath()} {
		if got, ok := ParseObjectPath(path); !ok || got != id {
			t.Errorf("%q: got %v, %v", path, got, ok)
		}
	}
	for _, path := range []string{"", "ab/cd", id.String(), "0" + id.ObjectPath(), id.ObjectPath() + "/"} {
		if got, ok := ParseObjectPath(path); ok {
			t.Errorf("%q: taken for %v", path, got)
		}
	}
}

// BenchmarkHash hashes one content after the other, as those of a layer's large files.
func BenchmarkHash(b *testing.B) {
	for _, a := range []Algorithm{SHA256, SHA512} {
		for _, n := range []int{1 << 10, 16 << 10, 256 << 10, 1 << 20} {
			data := random(n)
			b.Run(fmt.Sprintf("%s/%dKiB", a.Name(), n>>10), func(b *testing.B) {
				h := a.New()
				defer cputime.Start(b, int64(n))()
				for b.Loop() {
					h.Reset()
					h.Write(data)
					h.ID()
				}
			})
		}
	}
}

// BenchmarkSumAll hashes 32 contents together, as those of small files.
func BenchmarkSumAll(b *testing.B) {
	for _, a := range []Algorithm{SHA256, SHA512} {
		for _, n := range []int{200, 1 << 10, 6 << 10, 16 << 10} {
			contents := make([][]byte, 32)
			for i := range contents {
				contents[i] = random(n)
			}
			b.Run(fmt.Sprintf("%s/%dB", a.Name(), n), func(b *testing.B) {
				defer cputime.Start(b, int64(n*len(contents)))()
				for b.Loop() {
					a.SumAll(contents)
				}
			})
		}
	}
}

// BenchmarkZeros hashes what a sparse file consists of.
func BenchmarkZeros(b *testing.B) {
	data := make([]byte, 1<<20)
	h := SHA512.New()
	defer cputime.Start(b, int64(len(data)))()
	for b.Loop() {
		h.Reset()
		h.Write(data)
		h.ID()
	}
}
