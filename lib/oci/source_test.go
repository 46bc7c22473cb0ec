package oci_test

import (
	"os"
	"slices"
	"testing"

	"cfs/lib/oci"
	"cfs/lib/repo"
)

// TestSource: the source of a tag is what was remembered for the manifest that it leads to, or
// the tag itself.
func TestSource(t *testing.T) {
	r, a, b := tagged(t)
	set := func(name, source string) {
		t.Helper()
		if err := oci.SetSource(r, name, a, source); err != nil {
			t.Fatal(err)
		}
	}
	want := func(tag oci.NamedManifest, want string) {
		t.Helper()
		if got, err := oci.SourceOf(r, tag); err != nil || got != want {
			t.Errorf("%v: %q, %v, want %q", tag, got, err, want)
		}
	}
	x, slash, remote := oci.NamedManifest{Tag: "x", Manifest: a}, oci.NamedManifest{Tag: "docker://h/%n", Manifest: a}, oci.NamedManifest{Tag: "docker://h/other", Manifest: a}
	want(x, "")
	want(remote, "docker://h/other")
	set("x", "oci:/größe <&>:1")
	set("docker://h/%n", "oci:/y")
	want(x, "oci:/größe <&>:1")
	want(slash, "oci:/y")
	want(oci.NamedManifest{Tag: "x", Manifest: b}, "")
	for name, content := range map[string]string{"empty": "", "torn": `{"source":"oci:/`, "no digest": `{"source":"oci:/y","manifest":"x"}`, "no source": `{"manifest":"` + a.String() + `"}`} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(r.Path+"/cfs/sources/x", []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			want(x, "")
		})
	}
	set("x", "oci:/new")
	want(x, "oci:/new")
	set("x", "oci:/\xff") // cannot be remembered
	want(x, "")
}

// TestTidySources: notes of tags that are gone or lead elsewhere are removed, as with the tag.
func TestTidySources(t *testing.T) {
	r, a, b := tagged(t)
	if err := oci.TidySources(r); err != nil { // there is no folder yet
		t.Fatal(err)
	}
	for _, name := range []string{"a/b", "moved", "gone", "removed"} {
		if err := oci.SetSource(r, name, a, "oci:/x"); err != nil {
			t.Fatal(err)
		}
	}
	setTag(t, r, "a/b", a)
	setTag(t, r, "moved", b)
	setTag(t, r, "removed", a)
	if err := oci.RemoveTag(r, "removed"); err != nil {
		t.Fatal(err)
	}
	wantNotes(t, r, "a%2Fb", "gone", "moved")
	if err := oci.TidySources(r); err != nil {
		t.Fatal(err)
	}
	wantNotes(t, r, "a%2Fb")
}

func wantNotes(t *testing.T, r *repo.Repo, want ...string) {
	t.Helper()
	got, err := r.Notes("sources")
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("notes %q, %v, want %q", got, err, want)
	}
}
