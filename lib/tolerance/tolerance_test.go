package tolerance_test

import (
	"errors"
	"slices"
	"testing"

	"cfs/lib/tolerance"
)

// TestWarnings: a line for each kind of which the reference makes another tree, which
// names the first member and says how many there are.
func TestWarnings(t *testing.T) {
	var all tolerance.Rules
	layer := tolerance.Rules{Where: "layer 1"}
	for _, name := range []string{"usr/a", "usr/b", "usr/c"} {
		if err := layer.Note(tolerance.BodySize, name); err != nil {
			t.Fatal(err)
		}
	}
	layer.Note(tolerance.GNUPrefix, "etc/\x1bx")
	layer.Note(tolerance.MissingParent, "usr/d/e", "d") // refused by the reference: no word
	all.Merge(&layer)
	layer.Where = "layer 2"
	all.Merge(&layer)
	all.Note(tolerance.OtherCompression, "", "zstd", "gzip")
	want := []string{
		"its content is zstd, its media type says gzip: cfsctl 0.9.0 refuses it",
		`layer 1: "etc/\x1bx": a GNU header with a prefix (and 1 more): cfsctl 0.9.0 has another tree, or none`,
		`layer 1: "usr/a": a size in the header of a member without a body (and 5 more): cfsctl 0.9.0 has another tree, or none`,
	}
	if got := all.Warnings(); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestStrict: strict rules refuse every kind, and no rules at all none.
func TestStrict(t *testing.T) {
	err := tolerance.Strict(true).Note(tolerance.MissingParent, "usr/d/e", "d")
	if !errors.Is(err, tolerance.ErrRefused) || err.Error() != `refused by --strict: the directory "d" has no entry` {
		t.Error(err)
	}
	var none *tolerance.Rules
	if err := none.Note(tolerance.OwnMember, "x"); err != nil || none.Warnings() != nil {
		t.Error(err, none.Warnings())
	}
}

// TestSet: a set yields its kinds in order.
func TestSet(t *testing.T) {
	list := []tolerance.Kind{tolerance.MissingParent, tolerance.GNUPrefix, tolerance.OwnMember}
	s := tolerance.SetOf(list[2], list[0], list[1])
	if got := slices.Collect(s.Kinds()); !slices.Equal(got, list) {
		t.Error(got)
	}
}
