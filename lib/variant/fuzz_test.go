package variant

import "testing"

// FuzzKey: a reference that is understood is written as it was read, and is one to an
// EROFS image.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{plainKey, bootKey, plainKey + v1Suffix, bootKey + v1Suffix + modeInfix + "all", "config:sha256:0", modeInfix, bootKey + ".v2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		v, ok := ParseKey(key)
		if ok && (v.Key() != key || !IsKey(key) || v.Boot != IsBootKey(key)) {
			t.Errorf("%q is read as %+v, which is %q", key, v, v.Key())
		}
		if m, err := ParseXattrMode(key); err == nil && m.String() != key {
			t.Errorf("%q is read as %s", key, m)
		}
	})
}
