package bootloader

import (
	"slices"
	"strings"
	"testing"
)

// TestCompareVersions: each is lower than the next; the list is from the UAPI version format
// specification, and what kernels and systems are called.
func TestCompareVersions(t *testing.T) {
	list := []string{
		"~rc1", "", "0a", "1~rc1", "1", "1-1", "1-6.12.95", "1^git", "1.2~rc", "1.2", "1.2a", "1.2b", "1.10", "2-6.9.0", "2-6.12.0", "2.1-6.1.0", "12", "122.1", "123~rc1-1", "123", "123-a",
		"123-a.1", "123-1", "123-1.1", "123-3", "123^post1", "123.a-1", "123.1-1", "123a-1", "124-1",
	}
	for i, a := range list {
		for j, b := range list {
			if got, want := compareVersions(a, b), sign(i-j); got != want {
				t.Errorf("%q and %q: %d, want %d", a, b, got, want)
			}
		}
	}
	for _, same := range [][2]string{{"1.02", "1.2"}, {"a_1", "a1"}, {"00", "0"}, {"1 .2 ", "1.2"}} {
		if got := compareVersions(same[0], same[1]); got != 0 {
			t.Errorf("%q: %d", same, got)
		}
	}
}

func sign(n int) int { return max(-1, min(1, n)) }

// TestSortEntries: the menu of systemd-boot, written from its top.
func TestSortEntries(t *testing.T) {
	menu := []Entry{
		{ID: "x", sortKey: "a", version: "2"}, {ID: "b", sortKey: "a", version: "1", Counter: "+1-2"}, {ID: "a", sortKey: "a", version: "1"}, {ID: "z", sortKey: "b"},
		{ID: "k-10"}, {ID: "k-9", version: "99"},
		{ID: "y", sortKey: "a", version: "3", Counter: "+0-3"}, {ID: "k-11", Counter: "+0"},
	}
	list := slices.Clone(menu)
	slices.Reverse(list)
	sortEntries(list)
	var got []string
	for _, e := range list {
		got = append(got, e.ID)
	}
	if want := "x b a z k-10 k-9 y k-11"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
}
