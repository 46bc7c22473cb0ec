package selinux

import (
	"slices"
	"strings"
)

// matcher finds the last rule that fits a path and a type.
//
// Most rules begin with a text that the path must begin with, and many are no more than
// that, or that and all below it. They are found by this text, so that few patterns
// have to be matched.
type matcher struct {
	rules []*compiled

	exact   map[string][]*compiled // rules without wildcards, in order, by the path
	stems   map[string][]*compiled // others, in order, by the text that they begin with
	lengths []int                  // of these texts, the longest first
	whole   []*compiled            // rules that look at path and type at once, in order

	inUse programs
}

// add takes in a rule, which comes after all others.
func (m *matcher) add(r rule) error {
	c, err := compile(r, len(m.rules))
	if err != nil {
		return err
	}
	m.rules = append(m.rules, c)
	return nil
}

// ready builds the index.
func (m *matcher) ready() {
	m.exact, m.stems = map[string][]*compiled{}, map[string][]*compiled{}
	for _, c := range m.rules {
		switch c.tail {
		case tailWhole:
			m.whole = append(m.whole, c)
		case tailNone:
			m.exact[c.stem] = append(m.exact[c.stem], c)
		default:
			if m.stems[c.stem] == nil {
				m.lengths = append(m.lengths, len(c.stem))
			}
			m.stems[c.stem] = append(m.stems[c.stem], c)
		}
	}
	slices.Sort(m.lengths)
	m.lengths = slices.Compact(m.lengths)
	slices.Reverse(m.lengths)
}

// lookup returns the label of a path, "" for none.
func (m *matcher) lookup(path string, typ byte) (string, error) {
	k := key{path: path, typ: typ}
	best, err := m.last(m.exact[path], &k, nil)
	for _, n := range m.lengths {
		if err == nil && n <= len(path) {
			best, err = m.last(m.stems[path[:n]], &k, best)
		}
	}
	if err == nil {
		best, err = m.last(m.whole, &k, best)
	}
	if err != nil || best == nil || best.context == noLabel {
		return "", err
	}
	return best.context, nil
}

// last returns the last of some rules, or best if that comes later, that fits.
func (m *matcher) last(rules []*compiled, k *key, best *compiled) (*compiled, error) {
	for i := len(rules) - 1; i >= 0; i-- {
		c := rules[i]
		if best != nil && c.number < best.number {
			break
		}
		fits, err := c.fits(k, &m.inUse)
		if err != nil {
			return nil, err
		}
		if fits {
			return c, nil
		}
	}
	return best, nil
}

// key is what rules are matched against.
type key struct {
	path  string
	typ   byte
	runes string // the path, a byte a rune; "" if not made yet, or the same as path
	made  bool
}

// text returns the path in the form for engines.
func (k *key) text() string {
	if !k.made {
		k.runes, k.made = latin1(k.path), true
	}
	return k.runes
}

// latin1 writes each byte as the rune of its value.
func latin1(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0 {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
