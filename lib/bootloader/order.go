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

// compareVersions compares versions as the UAPI version format specification does, and with
// it boot loaders: numbers by their value, "~" before the end of a text, and that before "-",
// "^", "." and all else.
func compareVersions(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, isNoPart), strings.TrimLeftFunc(b, isNoPart)
		rankA, rankB := rank(a), rank(b)
		switch {
		case rankA != rankB:
			return cmp.Compare(rankA, rankB)
		case a == "":
			return 0
		case rankA < rankOfWord:
			a, b = a[1:], b[1:]
			continue
		}
		of, compare := isLetter, strings.Compare
		if isDigit(rune(a[0])) || isDigit(rune(b[0])) {
			of, compare = isDigit, compareNumbers
		}
		wordA, wordB := prefix(a, of), prefix(b, of)
		if order := compare(wordA, wordB); order != 0 {
			return order
		}
		a, b = a[len(wordA):], b[len(wordB):]
	}
}

// rankOfWord is the rank of a letter or a digit.
const rankOfWord = 5

// rank returns the place of what a text begins with.
func rank(s string) int {
	if s == "" {
		return 1
	}
	switch s[0] {
	case '~':
		return 0
	case '-':
		return 2
	case '^':
		return 3
	case '.':
		return 4
	}
	return rankOfWord
}

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// prefix returns what a text begins with of some characters.
func prefix(s string, of func(rune) bool) string {
	return s[:len(s)-len(strings.TrimLeftFunc(s, of))]
}

func isDigit(c rune) bool  { return '0' <= c && c <= '9' }
func isLetter(c rune) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isNoPart(c rune) bool { return !isDigit(c) && !isLetter(c) && !strings.ContainsRune("~-^.", c) }
