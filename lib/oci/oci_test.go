package oci

import (
	"strings"
	"testing"

	"cfs/lib/layer"
)

func TestKeys(t *testing.T) {
	for key, want := range map[string]Variant{
		"composefs.image":                                 {Version: 2},
		"composefs.image.v1":                              {Version: 1},
		"composefs.image.boot":                            {Boot: true, Version: 2},
		"composefs.image.boot.v1":                         {Boot: true, Version: 1},
		"composefs.image.boot.v1.xattrs=keep-user-xattrs": {Boot: true, Version: 1, Xattrs: layer.KeepUserXattrs},
		"composefs.image.boot.xattrs=keep-user-xattrs":    {Boot: true, Version: 2, Xattrs: layer.KeepUserXattrs},
	} {
		if got, ok := ParseKey(key); !ok || got != want || got.Key() != key || !IsImageKey(key) {
			t.Errorf("%s: %+v, %v", key, got, ok)
		}
	}
	if (Variant{Version: 0}).Key() != "composefs.image.v1" {
		t.Error("format 0 does not stand in the place of format 1")
	}
	for _, key := range []string{"composefs.image.boot.later", "composefs.image.boot.xattrs=x", "composefs.image.boot.v1.xattrs=allowlist-only"} {
		if v, ok := ParseKey(key); ok || !IsImageKey(key) {
			t.Errorf("%s: %+v", key, v)
		}
	}
	for _, key := range []string{"sha256:00", "composefs.imagery", "composefs.image.v2"} {
		if IsImageKey(key) {
			t.Errorf("%s is taken for an image's", key)
		}
	}
}

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
	for _, name := range []string{"", ".", "..", "@x", "a\x00", strings.Repeat("x", 256), strings.Repeat("/", 86)} {
		if CheckTag(name) == nil {
			t.Errorf("%q can be a tag", name)
		}
	}
}
