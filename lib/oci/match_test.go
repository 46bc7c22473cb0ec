package oci_test

import (
	"slices"
	"strings"
	"testing"

	"cfs/lib/oci"
)

// TestMatch: a slash is like any other character, and a tag of that very name goes before
// all that a pattern describes.
func TestMatch(t *testing.T) {
	var tags []oci.NamedManifest
	for _, name := range []string{"*", "a/b:1", "a/b:2", "ab", "a[b]"} {
		tags = append(tags, oci.NamedManifest{Tag: name})
	}
	for pattern, want := range map[string]string{
		"a/b:1": "a/b:1", "a*": "a/b:1 a/b:2 ab a[b]", "*": "*", `\*`: "*", "?*": "* a/b:1 a/b:2 ab a[b]", "a?b:[1-2]": "a/b:1 a/b:2",
		"a[/]b*": "a/b:1 a/b:2", "a[b]": "a[b]", "b": "", "a": "", "*:1": "a/b:1",
	} {
		list, err := oci.Match(tags, pattern)
		var got []string
		for _, tag := range list {
			got = append(got, tag.Tag)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q matches %q, %v, want %q", pattern, got, err, want)
		}
	}
	for _, pattern := range []string{"[", "a[", `a\`, "a[]b"} {
		if list, err := oci.Match(tags, pattern); err == nil {
			t.Errorf("%q matches %v", pattern, slices.Collect(slices.Values(list)))
		}
	}
	if list, err := oci.Match(nil, "a["); err == nil {
		t.Errorf("no tags: %v", list)
	}
}

// TestCheckImageRef: a ref that cfs-gc would take for a lease, or a terminal for a command,
// is refused.
func TestCheckImageRef(t *testing.T) {
	for name, ok := range map[string]bool{"a": true, "a/b": true, "cfs-leases": true, "cfs-lease": false, "cfs-lease/x": false, "cfs-mount/a/b": false, "a\x1b": false, "\xff": false} {
		if err := oci.CheckImageRef(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
