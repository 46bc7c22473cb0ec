package mount

import "testing"

// FuzzMountID: the ID of a mount has one spelling.
func FuzzMountID(f *testing.F) {
	f.Add("0123abcd-0123-0123-0123-0123456789ab.4026531840.17")
	f.Add("0123abcd-0123-0123-0123-0123456789ab.-1.+2")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := ParseID(text); ok && id.String() != text {
			t.Errorf("%q is read as %s", text, id)
		}
	})
}
