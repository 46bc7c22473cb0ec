package verity

import (
	"strings"
	"testing"
)

// FuzzID: of a digest there is one spelling but for the case, and one path of its object.
func FuzzID(f *testing.F) {
	for _, a := range []Algorithm{SHA256, SHA512} {
		f.Add(a.Sum(nil).String())
		f.Add(strings.ToUpper(a.Sum(nil).String()))
		f.Add("/objects/" + a.Sum(nil).ObjectPath())
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil {
			if id.String() != strings.ToLower(s) {
				t.Errorf("%q is read as %s", s, id)
			}
			if again, ok := ParseObjectPath(id.ObjectPath()); !ok || again != id {
				t.Errorf("the path of %s is that of %s", id, again)
			}
		}
		if id, ok := ParseObjectPath(s); ok && !strings.HasSuffix(strings.ToLower(s), id.ObjectPath()) {
			t.Errorf("%q is the path of %s", s, id)
		}
		if a, err := ParseAlgorithm(s); err == nil && a.String() != s && a.Name() != s {
			t.Errorf("%q is read as %s", s, a)
		}
	})
}
