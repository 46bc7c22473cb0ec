package objects

import (
	"strings"
	"testing"
)

// FuzzMark: what a dead writer has left is trusted by the mark of this boot and mount alone,
// and none that is cut is.
func FuzzMark(f *testing.F) {
	here := place{"0123abcd-0123-0123-0123-0123456789ab", "17"}
	for _, text := range []string{here.text(), here.text() + failedMark, here.bootLine(), "", "boot \nmount \n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := here.judge(text, false); got == trusted && text != here.text() || got == distrusted && !strings.HasSuffix(text, failedMark) {
			t.Errorf("%q: %v", text, got)
		}
		if got := (place{}).judge(text, false); got == trusted {
			t.Errorf("%q is trusted, where boot and mount are not known", text)
		}
	})
}
