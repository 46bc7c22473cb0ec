package selinux

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The word boundaries of both dialects, by what an escape says.
const (
	wordByte  = `[0-9A-Z_a-z]`
	wordStart = `(?:(?<!` + wordByte + `)(?=` + wordByte + `))`
	wordEnd   = `(?:(?<=` + wordByte + `)(?!` + wordByte + `))`
)

var boundaries = map[string]string{
	`\b{start}`: wordStart, `\b{end}`: wordEnd, `\<`: wordStart, `\>`: wordEnd,
	`\b{start-half}`: `(?:(?<!` + wordByte + `))`, `\b{end-half}`: `(?:(?!` + wordByte + `))`,
	`\b`: `(?:` + wordStart + `|` + wordEnd + `)`, `\B`: `(?:(?<=` + wordByte + `)(?=` + wordByte + `)|(?<!` + wordByte + `)(?!` + wordByte + `))`,
}

// boundary translates a word boundary, if one comes.
func (t *translator) boundary() (ok bool, err error) {
	if !t.pcre && strings.HasPrefix(t.in[t.pos:], `\b{`) {
		if rest := t.in[t.pos+3:]; rest != "" && (rest[0] == '-' || rest[0]|0x20 >= 'a' && rest[0]|0x20 <= 'z') {
			text, _, _ := strings.Cut(t.in[t.pos:], "}")
			if boundaries[text+"}"] == "" {
				return false, t.fail("unknown word boundary")
			}
			t.pos += len(text) + 1
			t.backtrack = true
			t.assert(boundaries[text+"}"])
			return true, nil
		}
	}
	name := t.in[t.pos:min(t.pos+2, len(t.in))]
	plain := boundaries[name]
	if plain == "" || t.pcre && (name == `\<` || name == `\>`) {
		return false, nil
	}
	t.pos += len(name)
	t.backtrack = true
	t.assert(plain)
	return true, nil
}

// escape translates what a backslash begins, outside of classes.
func (t *translator) escape() error {
	if ok, err := t.boundary(); ok || err != nil {
		return err
	}
	t.pos++
	c := t.peek()
	if set, ok, err := t.escapedClass(); ok || err != nil {
		t.set(set)
		return err
	}
	switch {
	case c == 'A' || c == 'G' && t.pcre:
		t.pos++
		t.assert(`(?:\A)`)
		return nil
	case c == 'z' || c == 'Z' && t.pcre: // no newline is the last byte
		t.pos++
		t.assert(`(?:\z)`)
		return nil
	case t.pcre:
		if ok, err := t.perlEscape(c); ok || err != nil {
			return err
		}
	}
	value, err := t.value()
	if err != nil {
		return err
	}
	if len(value) == 1 {
		t.literal(value[0])
	} else {
		t.bytes(value)
	}
	return nil
}

// perlEscape translates an escape that PCRE2 alone has, if c is one.
func (t *translator) perlEscape(c byte) (ok bool, err error) {
	switch {
	case c == 'Q':
		text, rest, ok := strings.Cut(t.in[t.pos+1:], `\E`)
		if !ok {
			return true, t.fail(`\Q without \E`)
		}
		for _, c := range []byte(text) {
			t.literal(c)
		}
		t.pos = len(t.in) - len(rest)
	case c == 'E':
		t.pos++
	case c >= '1' && c <= '9':
		t.pos++
		number := int(c - '0')
		if next := t.peek(); next >= '0' && next <= '9' {
			return true, t.unsupported("a reference of two digits")
		}
		t.backtrack = true
		t.emit(`(?:\` + strconv.Itoa(number) + `)`)
	case c == 'N':
		if t.pos++; t.peek() == '{' && !t.isCount() {
			return true, t.fail(`\N{`)
		}
		t.notNewline()
	case c == 'C':
		t.pos++
		t.emit(".")
	case c != 0 && strings.IndexByte("KRXgko", c) >= 0:
		return true, t.unsupported(`\` + string(c))
	default:
		return false, nil
	}
	return true, nil
}

// category reads \pL, \p{Lu} or \p{^Lu}, of bytes that PCRE2 takes for characters
// of Latin-1.
func (t *translator) category(negated bool) (s byteSet, err error) {
	t.pos++
	name := t.in[t.pos:min(t.pos+1, len(t.in))]
	t.pos += len(name)
	if name == "{" {
		text, rest, _ := strings.Cut(t.in[t.pos:], "}")
		t.pos = len(t.in) - len(rest)
		if name = strings.TrimPrefix(text, "^"); name != text {
			negated = !negated
		}
	}
	table := unicode.Categories[name]
	if table == nil {
		return s, t.unsupported(`\p` + name)
	}
	for c := range s {
		s[c] = unicode.Is(table, rune(c)) != negated
	}
	return s, nil
}

// controls are the escapes of single bytes. For PCRE2 \v is a class, found before.
var controls = map[byte]byte{'a': '\a', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// value reads the rest of an escape that stands for a character, and returns that as
// bytes.
func (t *translator) value() (string, error) {
	c := t.peek()
	control, isControl := controls[c]
	switch {
	case c == 0:
		return "", t.fail("nothing after a backslash")
	case c == 'x' || !t.pcre && (c == 'u' || c == 'U'):
		t.pos++
		return t.hex(c)
	case isControl:
		t.pos++
		return string([]byte{control}), nil
	case t.pcre && c == 'e':
		t.pos++
		return "\x1b", nil
	case t.pcre && c == '0':
		n := 1
		for n < 3 && t.pos+n < len(t.in) && t.in[t.pos+n] >= '0' && t.in[t.pos+n] <= '7' {
			n++
		}
		v, _ := strconv.ParseUint(t.in[t.pos:t.pos+n], 8, 8)
		t.pos += n
		return string([]byte{byte(v)}), nil
	case c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || !t.pcre && (c >= 0x80 || c == '<' || c == '>'):
		return "", t.fail("unknown escape \\%c", c)
	}
	t.pos++
	return string([]byte{c}), nil
}

// hex reads the digits of \xHH and its like. In a Rust pattern two digits alone are a
// byte, all others a character.
func (t *translator) hex(kind byte) (string, error) {
	if t.next("{") {
		text, rest, ok := strings.Cut(t.in[t.pos:], "}")
		v, err := strconv.ParseUint(text, 16, 32)
		if !ok || err != nil {
			return "", t.fail("bad hexadecimal number")
		}
		t.pos = len(t.in) - len(rest)
		return t.rune(rune(v))
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[kind]
	n := 0
	for n < digits && t.pos+n < len(t.in) && isHex(t.in[t.pos+n]) {
		n++
	}
	if !t.pcre && n < digits {
		return "", t.fail("bad hexadecimal number")
	}
	v, _ := strconv.ParseUint("0"+t.in[t.pos:t.pos+n], 16, 32)
	t.pos += n
	if kind == 'x' {
		return string([]byte{byte(v)}), nil
	}
	return t.rune(rune(v))
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// rune returns the bytes of a character.
func (t *translator) rune(r rune) (string, error) {
	switch {
	case t.pcre && (r < 0 || r > 0xff):
		return "", t.fail("a character that is not a byte")
	case t.pcre:
		return string([]byte{byte(r)}), nil
	case !utf8.ValidRune(r):
		return "", t.fail("bad hexadecimal number")
	}
	return string(r), nil
}
