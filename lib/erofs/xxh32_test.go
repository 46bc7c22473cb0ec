package erofs

import "testing"

// The values are those of the specification and of the kernel's filters.
func TestXXH32(t *testing.T) {
	for _, c := range []struct {
		s    string
		seed uint32
		want uint32
	}{
		{"", 0, 0x02cc5d05},
		{"a", 0, 0x550d7456},
		{"overlay.opaque", xattrFilterSeed + 4, 0x4ce0a7f4},
		{"selinux", xattrFilterSeed + 6, 0x9490146b},
		{"overlay.overlay.whiteouts", xattrFilterSeed + 4, 0x46dd3e0c},
	} {
		if got := xxh32(c.s, c.seed); got != c.want {
			t.Errorf("xxh32(%q, %#x) = %#x, want %#x", c.s, c.seed, got, c.want)
		}
	}
}
