package selinux

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"cfs/lib/corrupt"
)

// A pattern of a policy is matched, by the reference, against the bytes of a path and
// the character of its type, as ^(PATTERN)TYPE$. Which dialect it is in is seen by
// trying: what is no regular expression of Rust's is one of PCRE2's. They differ in
// more than what they take: in a Rust pattern "." is any byte, in a PCRE2 one not
// a newline.
//
// Here each is rewritten into a plain form that means the same to all engines of Go:
// a byte is the rune of its value; there are no flags, no names, no escapes but \xHH,
// and no classes but ranges. "." is any rune.

// pattern is a pattern in plain form.
type pattern struct {
	whole string // of path and type, anchored as the reference does it

	// inner is PATTERN alone, if nothing in it looks at what comes behind the path;
	// then it can be matched against the path.
	inner     string
	hasInner  bool
	backtrack bool // has what only a backtracking engine can do
	size      int  // about how many characters it has once its repeats are written out
}

// refers finds what may be a reference to a group.
var refers = regexp.MustCompile(`\\[1-9]`)

// errDialect means that a pattern is none of the dialect that was tried.
var errDialect = errors.New("not a regular expression")

// maxPattern is the length in bytes of the longest pattern that is taken.
const maxPattern = 64 << 10

// parsePattern reads the pattern of a rule for a type.
func parsePattern(text string, typ byte) (pattern, error) {
	if len(text) > maxPattern {
		return pattern{}, fmt.Errorf("pattern %q: it has %d bytes, at most %d are supported", abbreviate(text), len(text), maxPattern)
	}
	p, err := parseDialect(text, typ, false)
	if errors.Is(err, errDialect) {
		p, err = parseDialect(text, typ, true)
	}
	if errors.Is(err, errDialect) {
		err = corrupt.Errorf("%w", err)
	}
	if err != nil {
		return pattern{}, fmt.Errorf("pattern %q: %w", abbreviate(text), err)
	}
	return p, nil
}

func parseDialect(text string, typ byte, pcre bool) (pattern, error) {
	t := &translator{in: "^(" + text + ")" + string(typ) + "$", pcre: pcre, atom: -1}
	t.numbered = pcre && refers.MatchString(text)
	if err := t.translate(); err != nil {
		return pattern{}, err
	}
	p := pattern{whole: string(t.out), backtrack: t.backtrack, size: t.size}
	if !pcre {
		p.whole = `\A(?:` + p.whole + `)` // where the reference's search is anchored
	}
	// The group around PATTERN must be the one that the first parenthesis opens.
	if t.outerEnd == len(t.in)-3 && !t.backtrack && !t.anchored {
		p.inner, p.hasInner = string(t.out[t.outerFrom:t.outerTo]), true
	}
	return p, nil
}

// maxDepth is how deep groups, classes and repeats of repeats may nest, as in the
// reference's engines.
const maxDepth = 250

// translator rewrites one pattern.
type translator struct {
	in       string
	pos      int
	pcre     bool
	numbered bool // groups keep their numbers

	out      []byte
	atom     int // where in out the last atom begins, -1 if there is none to repeat
	atomSize int // what size was there
	repeats  int // how often the last atom is repeated already
	size     int

	flags  flags
	groups []group // those that are open
	names  map[string]bool

	backtrack, anchored          bool
	outerFrom, outerTo, outerEnd int // the first group: its content in out, and its end in in
}

// flags are the inline options that change what the plain form is.
type flags struct{ fold, dotAll, multiLine bool }

// group is one that is not closed yet.
type group struct {
	start, size int
	flags       flags
	behind      bool // it looks behind, and must know how far
}

// fail is the error for what the dialect does not have.
func (t *translator) fail(format string, args ...any) error {
	return fmt.Errorf("%s at byte %d: %w", fmt.Sprintf(format, args...), max(t.pos-2, 0), errDialect)
}

// unsupported is the error for what the dialect has, and we do not.
func (t *translator) unsupported(what string) error {
	return fmt.Errorf("%s at byte %d is not supported", abbreviate(what), max(t.pos-2, 0))
}

// next reports whether the rest begins with s, and skips it.
func (t *translator) next(s string) bool {
	if !strings.HasPrefix(t.in[t.pos:], s) {
		return false
	}
	t.pos += len(s)
	return true
}

// peek returns the next byte, 0 at the end. Patterns with a NUL in them are refused.
func (t *translator) peek() byte {
	if t.pos == len(t.in) {
		return 0
	}
	return t.in[t.pos]
}

func (t *translator) translate() error {
	if strings.Contains(t.in, "\x00") {
		return t.unsupported("a NUL")
	}
	for t.pos < len(t.in) {
		if err := t.one(); err != nil {
			return err
		}
	}
	if len(t.groups) > 0 {
		return t.fail("missing )")
	}
	return nil
}

// one translates what comes next.
func (t *translator) one() error {
	c := t.in[t.pos]
	switch c {
	case '(':
		return t.open()
	case ')':
		return t.close()
	case '|':
		t.pos++
		t.out, t.atom = append(t.out, '|'), -1
	case '[':
		t.pos++
		set, err := t.class(0)
		if err != nil {
			return err
		}
		t.set(set)
	case '*', '+', '?':
		return t.repeat()
	case '{':
		if t.pcre && !t.isCount() {
			t.pos++
			t.literal(c)
			return nil
		}
		return t.repeat()
	case '\\':
		return t.escape()
	case '.':
		t.pos++
		t.dot()
	case '^', '$':
		t.pos++
		t.anchor(c)
	default:
		t.char()
	}
	return nil
}

// begin begins an atom.
func (t *translator) begin() {
	t.atom, t.atomSize, t.repeats = len(t.out), t.size, 0
	t.size++
}

// emit writes an atom that is plain already.
func (t *translator) emit(plain string) {
	t.begin()
	t.out = append(t.out, plain...)
}

// char translates the character that comes next: one byte, or in a Rust pattern
// all bytes of what is not ASCII.
func (t *translator) char() {
	c := t.in[t.pos]
	if c < 0x80 || t.pcre {
		t.pos++
		t.literal(c)
		return
	}
	_, n := utf8.DecodeRuneInString(t.in[t.pos:])
	t.bytes(t.in[t.pos : t.pos+n])
	t.pos += n
}

// bytes writes bytes as one atom.
func (t *translator) bytes(s string) {
	t.begin()
	t.out = append(t.out, "(?:"...)
	for _, c := range []byte(s) {
		t.out = appendByte(t.out, c)
	}
	t.out = append(t.out, ')')
}

// literal writes a byte.
func (t *translator) literal(c byte) {
	if lower := c | 0x20; t.flags.fold && lower >= 'a' && lower <= 'z' {
		var set byteSet
		set[c] = true
		t.set(set)
		return
	}
	t.begin()
	t.out = appendByte(t.out, c)
}

// appendByte appends a literal in a form that no engine takes for anything else.
func appendByte(out []byte, c byte) []byte {
	if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '/' || c == '_' {
		return append(out, c)
	}
	return fmt.Appendf(out, `\x%02x`, c)
}

// set writes a class.
func (t *translator) set(s byteSet) {
	t.begin()
	if t.flags.fold {
		s.fold()
	}
	t.out = s.append(t.out)
}

func (t *translator) dot() {
	if !t.pcre || t.flags.dotAll {
		t.emit(".")
		return
	}
	t.notNewline()
}

func (t *translator) notNewline() {
	var s byteSet
	s['\n'] = true
	s.negate()
	t.set(s)
}

// anchor translates ^ and $. Lines end in a NUL for the Rust engine, so in a path
// there is one; and its $ is at the very end, as PCRE2's is where no newline can be.
func (t *translator) anchor(c byte) {
	switch multi := t.pcre && t.flags.multiLine; {
	case c == '^' && multi:
		t.assert(`(?m:^)`)
	case c == '^':
		t.assert(`(?:\A)`)
	case multi:
		t.assert(`(?m:$)`)
	default:
		t.assert(`(?:\z)`)
	}
}

// assert writes what has no width, and what PCRE2 does not repeat. The first and the
// last one of the whole are those around PATTERN.
func (t *translator) assert(plain string) {
	t.anchored = t.anchored || t.pos > 1 && t.pos < len(t.in)
	t.emit(plain)
	if t.pcre {
		t.atom = -1
	}
}
