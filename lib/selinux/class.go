package selinux

import (
	"fmt"
	"strings"
)

// byteSet is a class of bytes.
type byteSet [256]bool

func (s *byteSet) add(from, to byte) {
	for c := int(from); c <= int(to); c++ {
		s[c] = true
	}
}

func (s *byteSet) union(o *byteSet) {
	for c, in := range o {
		s[c] = s[c] || in
	}
}

func (s *byteSet) negate() {
	for c := range s {
		s[c] = !s[c]
	}
}

// fold adds the other case of each letter of ASCII.
func (s *byteSet) fold() {
	for c := byte('a'); c <= 'z'; c++ {
		either := s[c] || s[c-0x20]
		s[c], s[c-0x20] = either, either
	}
}

// append appends the class in plain form.
func (s byteSet) append(out []byte) []byte {
	if s == (byteSet{}) {
		return append(out, `[^\x00-\xff]`...) // which nothing is
	}
	out = append(out, '[')
	for c := 0; c < len(s); c++ {
		if !s[c] {
			continue
		}
		first := c
		for c+1 < len(s) && s[c+1] {
			c++
		}
		out = fmt.Appendf(out, `\x%02x-\x%02x`, first, c)
	}
	return append(out, ']')
}

// posix are the ranges of the classes that have names, all in ASCII.
var posix = map[string]string{
	"alnum": "09AZaz", "alpha": "AZaz", "ascii": "\x00\x7f", "blank": "\t\t  ", "cntrl": "\x00\x1f\x7f\x7f",
	"digit": "09", "graph": "!~", "lower": "az", "print": " ~", "punct": "!/:@[`{~", "space": "\t\r  ",
	"upper": "AZ", "word": "09AZ__az", "xdigit": "09AFaf",
}

// perl are the names of the classes that an escape stands for.
var perl = map[byte]string{'d': "digit", 's': "space", 'w': "word"}

// named returns a class by its name.
func named(name string, negated bool) (s byteSet, ok bool) {
	ranges, ok := posix[name]
	for ; len(ranges) > 0; ranges = ranges[2:] {
		s.add(ranges[0], ranges[1])
	}
	if negated {
		s.negate()
	}
	return s, ok
}

// spaces are the members of the classes that PCRE2 alone has an escape for.
var spaces = map[byte]string{'h': "\t \xa0", 'v': "\n\v\f\r\x85"}

// escapedClass reads the class that an escape stands for, behind its backslash, if it
// is one. In upper case it is that of all other bytes.
func (t *translator) escapedClass() (s byteSet, ok bool, err error) {
	c := t.peek()
	lower, negated := c|0x20, c < 'a'
	switch {
	case perl[lower] != "":
		s, _ = named(perl[lower], negated)
	case t.pcre && spaces[lower] != "":
		for _, member := range []byte(spaces[lower]) {
			s[member] = true
		}
		if negated {
			s.negate()
		}
	case t.pcre && lower == 'p':
		s, err = t.category(negated)
		return s, true, err
	default:
		return s, false, nil
	}
	t.pos++
	return s, true, nil
}

// class reads the rest of a bracketed class, in which depth others are open.
func (t *translator) class(depth int) (s byteSet, err error) {
	if depth+len(t.groups) > maxDepth {
		return s, t.unsupported("a class so deep")
	}
	negated := t.next("^")
	first := true
	if !t.pcre {
		for t.next("-") {
			s['-'], first = true, false
		}
	}
	var left *operand
	for ; first || t.peek() != ']'; first = false {
		if t.pos == len(t.in) {
			return s, t.fail("unterminated class")
		}
		if op := t.operator(); op != 0 {
			left = &operand{t.combine(left, s), op}
			s = byteSet{}
			continue
		}
		if err := t.item(&s, depth); err != nil {
			return s, err
		}
	}
	t.pos++
	s = t.combine(left, s)
	if negated {
		s.negate()
	}
	return s, nil
}

// operand is what stands on the left of an operator in a class of a Rust pattern.
type operand struct {
	byteSet
	op byte
}

// operator reads an operator, 0 if none comes.
func (t *translator) operator() byte {
	for _, op := range []string{"&&", "--", "~~"} {
		if !t.pcre && t.next(op) {
			return op[0]
		}
	}
	return 0
}

// combine applies an operator, if there is one: intersection, difference, or what is
// in one of both alone.
func (t *translator) combine(left *operand, right byteSet) byteSet {
	if t.flags.fold {
		right.fold()
	}
	if left == nil {
		return right
	}
	for c, l := range left.byteSet {
		switch left.op {
		case '&':
			right[c] = l && right[c]
		case '-':
			right[c] = l && !right[c]
		default:
			right[c] = l != right[c]
		}
	}
	return right
}

// item reads one item of a class, with the range that it may begin.
func (t *translator) item(s *byteSet, depth int) error {
	rest := t.in[t.pos:]
	if strings.HasPrefix(rest, "[") {
		if ok, err := t.bracket(s, depth); ok || err != nil {
			return err
		}
	}
	from, set, isByte, err := t.member()
	if err != nil {
		return err
	}
	if !isByte {
		s.union(&set)
		if t.isRange() {
			return t.fail("a range from a class")
		}
		return nil
	}
	if !t.isRange() {
		s[from] = true
		return nil
	}
	t.pos++
	to, _, isByte, err := t.member()
	if err != nil {
		return err
	}
	if !isByte || to < from {
		return t.fail("bad range")
	}
	s.add(from, to)
	return nil
}

// isRange reports whether a hyphen comes that makes a range.
func (t *translator) isRange() bool {
	rest := t.in[t.pos:]
	return len(rest) > 1 && rest[0] == '-' && rest[1] != ']' && (t.pcre || rest[1] != '-')
}

// bracket reads what an opening bracket in a class begins, if it is not itself.
func (t *translator) bracket(s *byteSet, depth int) (ok bool, err error) {
	rest := t.in[t.pos:]
	if text, _, ok := strings.Cut(rest[1:], ":]"); ok && strings.HasPrefix(text, ":") {
		name, negated := strings.CutPrefix(text[1:], "^")
		if set, ok := named(name, negated); ok {
			s.union(&set)
			t.pos += len("[") + len(text) + len(":]")
			return true, nil
		}
		if t.pcre && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") == "" {
			return false, t.fail("unknown class [:%s:]", abbreviate(name))
		}
	}
	if t.pcre {
		return false, nil
	}
	t.pos++
	set, err := t.class(depth + 1)
	s.union(&set)
	return true, err
}

// member reads a byte or an escape of a class.
func (t *translator) member() (c byte, set byteSet, isByte bool, err error) {
	if t.pos == len(t.in) {
		return 0, set, false, t.fail("unterminated class")
	}
	c = t.in[t.pos]
	if c != '\\' {
		if c >= 0x80 && !t.pcre {
			return 0, set, false, t.fail("a character that is not ASCII in a class")
		}
		t.pos++
		return c, set, true, nil
	}
	t.pos++
	if set, ok, err := t.escapedClass(); ok || err != nil {
		return 0, set, false, err
	}
	if t.pcre && t.next("b") {
		return '\b', set, true, nil
	}
	value, err := t.value()
	if err == nil && len(value) != 1 {
		err = t.fail("a character that is not ASCII in a class")
	}
	if err != nil {
		return 0, set, false, err
	}
	return value[0], set, true, nil
}
