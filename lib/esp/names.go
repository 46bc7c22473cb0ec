package esp

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxName is how long a name on a vfat is, in UTF-16 code units. Counted in bytes of UTF-8
// nothing too long passes.
const maxName = 255

// CheckPath returns why a vfat cannot have a file at a path, nil if it can.
func CheckPath(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if err := CheckName(part); err != nil {
			return err
		}
	}
	return nil
}

// CheckName returns why a vfat cannot have a file of a name, nil if it can.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%q is not a file name", name)
	case len(name) > maxName:
		return fmt.Errorf("%.40q... is longer than %d bytes", name, maxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%q is not UTF-8", name)
	case strings.ContainsAny(name, "/\\:*?\"<>|\x7f") || strings.ContainsFunc(name, func(c rune) bool { return c < 0x20 }):
		return fmt.Errorf("%q has a character that vfat does not support", name)
	case strings.HasSuffix(name, " ") || strings.HasSuffix(name, "."):
		return fmt.Errorf("%q ends with a blank or a dot, which vfat removes", name)
	}
	return nil
}

// Fold returns a name as vfat compares it.
func Fold(name string) string { return strings.ToUpper(name) }
