package terminal

import (
	"os"
	"strconv"
	"strings"
)

// Name makes of a name, in which may be any bytes, text of one line that does nothing to a
// terminal and is one name still: what is not printable, backslashes, and bytes that are
// not UTF-8 are written as in a string of Go, without the quotes.
func Name(name string) string {
	quoted := strconv.Quote(name)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// NameFor returns Name if f is a terminal. Else it returns a function that leaves names as
// they are, for programs to read.
func NameFor(f *os.File) func(string) string {
	if Is(f) {
		return Name
	}
	return func(name string) string { return name }
}
