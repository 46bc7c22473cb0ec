package dumpfile

// unhex gives the value of a hex digit of either case, 0xff for other bytes.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// appendUnescaped appends what text stands for to dst. Its second result is
// false if there is a backslash that begins no escape.
func appendUnescaped(dst, text []byte) ([]byte, bool) {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			dst = append(dst, text[i])
			continue
		}
		i++
		if i == len(text) {
			return dst, false
		}
		switch text[i] {
		case '\\':
			dst = append(dst, '\\')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'x':
			if i+2 >= len(text) {
				return dst, false
			}
			high, low := unhex(text[i+1]), unhex(text[i+2])
			if high == 0xff || low == 0xff {
				return dst, false
			}
			dst = append(dst, high<<4|low)
			i += 2
		default:
			return dst, false
		}
	}
	return dst, true
}

// escapes gives, for each byte, how it is written in PATH, PAYLOAD and CONTENT.
var escapes = makeEscapes()

func makeEscapes() (table [256]string) {
	const digits = "0123456789abcdef"
	for c := range table {
		if 0x21 <= c && c <= 0x7e {
			table[c] = string(rune(c))
		} else {
			table[c] = `\x` + string(digits[c>>4]) + string(digits[c&15])
		}
	}
	table['\\'], table['\n'], table['\r'], table['\t'] = `\\`, `\n`, `\r`, `\t`
	return table
}

// Escape returns any bytes as a part of PATH, PAYLOAD or CONTENT is written: printable
// ASCII without spaces.
func Escape(value string) string { return string(appendEscaped(nil, value)) }

// appendEscaped appends value as a part of PATH, PAYLOAD or CONTENT.
func appendEscaped(dst []byte, value string) []byte {
	for i := range len(value) {
		dst = append(dst, escapes[value[i]]...)
	}
	return dst
}

// appendOptional appends value as the whole of PAYLOAD or CONTENT, where "-"
// means that there is none.
func appendOptional(dst []byte, value string) []byte {
	switch value {
	case "":
		return append(dst, '-')
	case "-":
		return append(dst, `\x2d`...)
	}
	return appendEscaped(dst, value)
}

// appendXattr appends the key or the value of an xattr, where "=" is special.
func appendXattr(dst []byte, text string) []byte {
	for i := range len(text) {
		if text[i] == '=' {
			dst = append(dst, `\x3d`...)
		} else {
			dst = append(dst, escapes[text[i]]...)
		}
	}
	return dst
}
