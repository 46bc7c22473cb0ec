package main

import (
	"slices"
	"testing"
)

// TestSplitList: a list of options is cut as mount.composefs cuts it.
func TestSplitList(t *testing.T) {
	for list, want := range map[string][]string{
		``:                       {""},
		`ro`:                     {"ro"},
		`ro,basedir=a:b`:         {"ro", "basedir=a:b"},
		`basedir=a\,b,ro`:        {"basedir=a,b", "ro"},
		`basedir=a\\,ro`:         {`basedir=a\`, "ro"},
		`upperdir=\a,workdir=b\`: {"upperdir=a", `workdir=b\`},
	} {
		if got := splitList(list); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
}
