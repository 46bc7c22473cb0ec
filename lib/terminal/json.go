package terminal

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// JSON makes of JSON text, as encoding/json writes it, the same that does nothing to a
// terminal: that package leaves DEL and the control characters from U+0080 to U+009F as they
// are.
func JSON(text []byte) []byte {
	var b bytes.Buffer
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		if 0x7f <= c && c <= 0x9f { // only strings have such
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.Write(text[:n])
		}
		text = text[n:]
	}
	return b.Bytes()
}
