package bootloader

import (
	"cmp"
	"slices"
	"strings"
)

// sortEntries sorts entries as systemd-boot lists them: those that have tries left or need
// none first; of these the ones with a sort key, by that and the newest version first; then
// the others, by ID, the highest first.
func sortEntries(list []Entry) {
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(
			compareBool(a.isUsedUp(), b.isUsedUp()),
			compareBool(a.sortKey == "", b.sortKey == ""),
			cmp.Compare(a.sortKey, b.sortKey),
			keyed(a, -compareVersions(a.version, b.version)),
			-compareVersions(a.ID, b.ID),
			cmp.Compare(a.Path, b.Path),
		)
	})
}

// keyed returns an order that counts for entries with a sort key alone.
func keyed(e Entry, order int) int {
	if e.sortKey == "" {
		return 0
	}
	return order
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// isUsedUp reports whether an entry has no tries left.
func (e Entry) isUsedUp() bool {
	left, _, _ := strings.Cut(strings.TrimPrefix(e.Counter, "+"), "-")
	return e.Counter != "" && strings.Trim(left, "0") == ""
}

// compareVersions compares numbers in texts by their value, as the UAPI version format
// specification does for what is no "~", "^" or "-".
func compareVersions(a, b string) int {
	for a != "" && b != "" {
		wordA, restA := versionPart(a)
		wordB, restB := versionPart(b)
		order := cmp.Compare(wordA, wordB)
		if isDigit(wordA[0]) && isDigit(wordB[0]) {
			wordA, wordB = strings.TrimLeft(wordA, "0"), strings.TrimLeft(wordB, "0")
			order = cmp.Or(cmp.Compare(len(wordA), len(wordB)), cmp.Compare(wordA, wordB))
		}
		if order != 0 {
			return order
		}
		a, b = restA, restB
	}
	return cmp.Compare(len(a), len(b))
}

// versionPart splits off the digits, or what is no digit, that a text begins with.
func versionPart(s string) (part, rest string) {
	end := 1
	for end < len(s) && isDigit(s[end]) == isDigit(s[0]) {
		end++
	}
	return s[:end], s[end:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
