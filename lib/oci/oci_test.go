package oci

import (
	"strings"
	"testing"
)

// TestTagNames: the files are those that the reference makes.
func TestTagNames(t *testing.T) {
	for name, file := range map[string]string{
		"a/b:1%x": "a%2Fb:1%25x", "100%": "100%25", "%2F": "%252F", "with space": "with space", "größe": "größe", "a@b": "a@b",
	} {
		if got := escaper.Replace(name); got != file {
			t.Errorf("%q becomes %q, want %q", name, got, file)
		}
		if got := unescaper.Replace(file); got != name {
			t.Errorf("%q becomes %q, want %q", file, got, name)
		}
		if err := CheckTag(name); err != nil {
			t.Error(err)
		}
	}
	if got := unescaper.Replace("%2f%41%"); got != "%2f%41%" {
		t.Errorf("other escapes are read: %q", got)
	}
	for _, name := range []string{"", ".", "..", "@x", "a\x00", "a\nb", "a\x1b[31m", "a\u009b", "a\xff", strings.Repeat("x", 256), strings.Repeat("/", 86)} {
		if CheckTag(name) == nil {
			t.Errorf("%q can be a tag", name)
		}
	}
}
