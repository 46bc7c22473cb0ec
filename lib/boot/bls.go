package boot

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"cfs/lib/corrupt"
)

// BLS is a Type #1 entry of the Boot Loader Specification: a text of lines, each a key
// and a value.
type BLS struct{ lines []string }

// ParseBLS reads an entry. Only one that is not UTF-8 is an error: a loader skips the
// lines that it does not know.
func ParseBLS(text []byte) (BLS, error) {
	if !utf8.Valid(text) {
		return BLS{}, corrupt.Errorf("boot loader entry that is not UTF-8")
	}
	return BLS{strings.Split(string(text), "\n")}, nil
}

// Values returns the values of all lines of a key, in order. What follows a value, a
// carriage return too, belongs to it, and a line that begins with a blank has no key.
func (b BLS) Values(key string) (values []string) {
	for _, line := range b.lines {
		rest, ok := strings.CutPrefix(line, key)
		if ok && rest != "" && isSpace(rest[0]) {
			values = append(values, strings.TrimLeftFunc(rest, unicode.IsSpace))
		}
	}
	return values
}

// Cmdline returns the kernel command line: all options.
func (b BLS) Cmdline() string { return strings.Join(b.Values("options"), " ") }

// Files returns the paths of the files that a loader needs for the entry.
func (b BLS) Files() (paths []string) {
	for _, key := range []string{"linux", "initrd", "efi"} {
		paths = append(paths, b.Values(key)...)
	}
	return paths
}
