package selinux

import (
	"slices"
	"strconv"
	"strings"
)

// open translates what an opening parenthesis begins.
func (t *translator) open() error {
	t.pos++
	switch {
	case t.pcre && t.peek() == '*':
		return t.unsupported("(*")
	case !t.next("?"):
		return t.push(t.capture())
	}
	switch {
	case t.next(":"):
		return t.push("(?:")
	case t.next("P<"), t.peek() == '<' && !strings.HasPrefix(t.in[t.pos:], "<=") && !strings.HasPrefix(t.in[t.pos:], "<!") && t.next("<"):
		return t.named('>')
	case !t.pcre:
		return t.setFlags("imsUu", "xRu")
	case t.next("'"):
		return t.named('\'')
	case t.next("#"):
		_, rest, ok := strings.Cut(t.in[t.pos:], ")")
		if !ok {
			return t.fail("unterminated comment")
		}
		t.pos = len(t.in) - len(rest)
		return nil
	}
	for _, look := range []string{"=", "!", "<=", "<!", ">"} {
		if t.next(look) {
			t.backtrack = true
			err := t.push("(?" + look)
			if err == nil && look[0] == '<' {
				t.groups[len(t.groups)-1].behind = true
			}
			return err
		}
	}
	return t.setFlags("imsJU", "xn")
}

// capture returns what opens a group that has a number, which it keeps only if a
// reference could use it: engines take memory for each.
func (t *translator) capture() string {
	if t.numbered {
		return "("
	}
	return "(?:"
}

func (t *translator) push(plain string) error {
	if len(t.groups) == maxDepth {
		return t.unsupported("a group in " + strconv.Itoa(maxDepth) + " others")
	}
	behind := len(t.groups) > 0 && t.groups[len(t.groups)-1].behind
	t.groups = append(t.groups, group{len(t.out), t.size, t.flags, behind})
	t.out = append(t.out, plain...)
	t.atom = -1
	if len(t.groups) == 1 && t.outerEnd == 0 {
		t.outerFrom = len(t.out)
	}
	return nil
}

// named translates a group with a name, which nothing can refer to here.
func (t *translator) named(end byte) error {
	name, rest, ok := strings.Cut(t.in[t.pos:], string(end))
	if !ok || name == "" || strings.Trim(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz") != "" || name[0] >= '0' && name[0] <= '9' {
		return t.fail("bad group name")
	}
	if t.names[name] {
		return t.fail("duplicate group name")
	}
	if t.names == nil {
		t.names = map[string]bool{}
	}
	t.names[name] = true
	t.pos = len(t.in) - len(rest)
	return t.push(t.capture())
}

// setFlags translates what is left of (?FLAGS) or (?FLAGS: for the known flags, and
// refuses others that the dialect has.
func (t *translator) setFlags(known, others string) error {
	f, on := t.flags, true
	for start := t.pos; ; {
		c := t.peek()
		t.pos = min(t.pos+1, len(t.in))
		switch {
		case c == '-' && on:
			on = false
		case c == 'u' && !t.pcre && !on:
			// bytes it is already
		case c != 0 && strings.IndexByte(others, c) >= 0:
			return t.unsupported("the flag " + string(c))
		case c != 0 && strings.IndexByte(known, c) >= 0:
			f.set(c, on)
		case c == ')' && (t.pcre || t.pos-1 > start && t.in[t.pos-2] != '-'):
			t.flags, t.atom = f, -1
			return nil
		case c == ':' && t.in[t.pos-2] != '-':
			if err := t.push("(?:"); err != nil {
				return err
			}
			t.flags = f // until the group ends
			return nil
		default:
			return t.fail("unknown kind of group")
		}
	}
}

func (f *flags) set(c byte, on bool) {
	switch c {
	case 'i':
		f.fold = on
	case 'm':
		f.multiLine = on
	case 's':
		f.dotAll = on
	}
}

// close translates a closing parenthesis.
func (t *translator) close() error {
	if len(t.groups) == 0 {
		return t.fail("missing (")
	}
	t.pos++
	last := len(t.groups) - 1
	g := t.groups[last]
	if last == 0 && t.outerEnd == 0 {
		t.outerTo, t.outerEnd = len(t.out), t.pos-1
	}
	t.groups, t.flags = t.groups[:last], g.flags
	t.out = append(t.out, ')')
	t.atom, t.atomSize, t.repeats = g.start, g.size, 0
	t.size++
	return nil
}

// isCount reports whether PCRE2 takes what begins with a brace for a repeat.
func (t *translator) isCount() bool {
	text, _, ok := strings.Cut(t.in[t.pos+1:], "}")
	from, to, _ := strings.Cut(text, ",")
	return ok && strings.Trim(from+to, "0123456789") == "" && from+to != ""
}

// maxRepeat is PCRE2's.
const maxRepeat = 65535

// tooLarge is what a size is at most after a repeat.
const tooLarge = 1 << 20

// repeat translates a repeat of the last atom.
func (t *translator) repeat() error {
	if t.atom < 0 {
		return t.fail("nothing to repeat")
	}
	if t.repeats > 0 && t.pcre {
		return t.fail("a repeat of a repeat")
	}
	plain, least, most, err := t.times()
	if err != nil {
		return err
	}
	if most == 0 && len(t.groups) > 0 && t.groups[len(t.groups)-1].behind {
		return t.fail("unbounded look-behind")
	}
	if t.repeats++; t.repeats > 1 {
		if t.repeats > maxDepth {
			return t.unsupported("a repeat of " + strconv.Itoa(maxDepth) + " repeats")
		}
		t.wrap("(?:")
	}
	t.out = append(t.out, plain...)
	t.size = t.atomSize + min((t.size-t.atomSize)*max(least, most, 1), tooLarge)
	switch {
	case t.next("?"):
		t.out = append(t.out, '?')
	case t.pcre && t.next("+"):
		t.backtrack = true
		t.wrap("(?>")
	}
	return nil
}

// wrap makes a group of the last atom.
func (t *translator) wrap(open string) {
	t.out = append(slices.Insert(t.out, t.atom, []byte(open)...), ')')
}

// times reads how often something is repeated, and how often it is at most, 0 for
// without a limit.
func (t *translator) times() (plain string, least, most int, err error) {
	if c := t.in[t.pos]; c != '{' {
		t.pos++
		if c == '?' {
			most = 1
		}
		return string(c), 0, most, nil
	}
	text, rest, ok := strings.Cut(t.in[t.pos+1:], "}")
	from, to, limited := strings.Cut(text, ",")
	if from == "" && t.pcre {
		from = "0"
	}
	low, err := strconv.ParseUint(from, 10, 32)
	high := low
	if err == nil && to != "" {
		high, err = strconv.ParseUint(to, 10, 32)
	}
	switch {
	case !ok || err != nil || high < low:
		return "", 0, 0, t.fail("bad repeat")
	case high > maxRepeat:
		return "", 0, 0, t.unsupported("a repeat of more than " + strconv.Itoa(maxRepeat))
	}
	t.pos = len(t.in) - len(rest)
	plain = "{" + strconv.FormatUint(low, 10)
	switch {
	case limited && to == "":
		return plain + ",}", int(low), 0, nil
	case limited:
		plain += "," + strconv.FormatUint(high, 10)
	}
	return plain + "}", int(low), max(int(high), 1), nil
}
