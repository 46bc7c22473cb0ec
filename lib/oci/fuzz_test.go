package oci

import (
	"slices"
	"strings"
	"testing"
)

// FuzzName: a stream's name that is understood is one that its digest gives; and a tag is
// read back from the name of its file, which is one and lies in its folder.
func FuzzName(f *testing.F) {
	d := "sha256:" + strings.Repeat("0", 64)
	for _, seed := range []string{layerPrefix + d, configPrefix + d, manifestPrefix + d, manifestPrefix + "sha256:../x", "docker.io/a:b", "%2F", "..", "@x", "a\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if kind, d, ok := ParseName(name); ok && !slices.Contains(Names(d), name) {
			t.Errorf("%q is the %s %s", name, kind, d)
		}
		if CheckStoredTag(name) != nil {
			return
		}
		file := escaper.Replace(name)
		if unescaper.Replace(file) != name || strings.ContainsAny(file, "/\x00") || file == "." || file == ".." || len(file) > 255 {
			t.Errorf("the tag %q has the file %q", name, file)
		}
	})
}

// FuzzSourceNote: a note that is read has the digest of a manifest, and comes back as it was.
func FuzzSourceNote(f *testing.F) {
	d := "sha256:" + strings.Repeat("0", 64)
	f.Add(`{"source":"oci:/a:1","manifest":"` + d + `"}`)
	f.Add(`{"source":"\ud800","manifest":"` + d + `"}`)
	f.Add(`{"source":1}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		o, ok := parseOrigin([]byte(text))
		if !ok {
			return
		}
		written, err := o.text()
		if again, ok := parseOrigin(written); err != nil || !ok || again != o || o.Manifest.Validate() != nil {
			t.Errorf("%q is read as %+v, and again as %+v, %v", text, o, again, err)
		}
	})
}

// FuzzLeaseNote: the note of a lease has one spelling.
func FuzzLeaseNote(f *testing.F) {
	f.Add("0123abcd-0123-0123-0123-0123456789ab 12\n")
	f.Add("0123abcd-0123-0123-0123-0123456789ab -1\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if boot, at, ok := parseNote(text); ok && (string(formatNote(boot, at)) != text || at < 0) {
			t.Errorf("%q is read as %s, %s", text, boot, at)
		}
	})
}
