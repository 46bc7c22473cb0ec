// Package terminal prepares text for people's terminals.
package terminal

import (
	"fmt"
	"os"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// Line makes of a text, in which may be what others wrote, one line that does nothing
// to a terminal: line feeds become "; ", other control characters \xNN, and bytes that are
// not UTF-8 U+FFFD.
func Line(text string) string {
	var b strings.Builder
	for _, r := range strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\n", "; ") {
		if unicode.IsControl(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// IsDrawable reports whether f is a terminal that can be drawn on: one that knows its
// size, that TERM does not call dumb, and whose user has not asked for plain text by NO_COLOR
// (https://no-color.org).
func IsDrawable(f *os.File) bool {
	if term := os.Getenv("TERM"); term == "" || term == "dumb" || os.Getenv("NO_COLOR") != "" {
		return false
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil && size.Col > 0
}
