package selinux

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"time"

	"github.com/dlclark/regexp2"

	"cfs/lib/corrupt"
)

// tail is what may come behind the stem of a rule.
type tail int

const (
	tailNone   tail = iota // nothing
	tailAny                // .*
	tailSome               // .+
	tailBelow              // (/.*)?
	tailRegexp             // what a regular expression says
	tailWhole              // the expression is of path and type, without a stem
)

// compiled is a rule that can be matched.
type compiled struct {
	rule
	number int

	stem string // what the path begins with
	tail tail

	expr      string // plain form: of what comes behind the stem, or of all
	backtrack bool
	size      int
	must      string // is in what comes behind the stem
	program   program
}

// program matches what expr says.
type program func(text string) (bool, error)

// maxProgram is the size up to which a pattern is compiled for the engine that takes
// linear time, and writes repeats out. That engine refuses more than 1000 repeats.
const maxProgram = 50000

// compile reads the pattern of a rule.
func compile(r rule, number int) (*compiled, error) {
	p, err := parsePattern(r.pattern, r.typ)
	if err != nil {
		return nil, err
	}
	c := &compiled{rule: r, number: number, tail: tailWhole, expr: p.whole, backtrack: p.backtrack, size: p.size}
	if !c.backtrack {
		c.backtrack = !c.linear(p)
	}
	if c.backtrack {
		if _, err := backtracker(c.expr); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", abbreviate(r.pattern), err)
		}
	}
	return c, nil
}

// linear reports whether the engine that takes linear time can match a pattern, and
// takes that apart if it is about the path alone.
func (c *compiled) linear(p pattern) bool {
	if p.size > maxProgram {
		return false
	}
	if !p.hasInner {
		_, err := parsePlain(p.whole)
		return err == nil
	}
	tree, err := parsePlain(p.inner)
	if err != nil {
		return false
	}
	c.split(tree)
	return true
}

// plainFlags are those by which "." is any rune, and ^ and $ are not used.
const plainFlags = syntax.Perl | syntax.DotNL

func parsePlain(expr string) (*syntax.Regexp, error) { return syntax.Parse(expr, plainFlags) }

// fits reports whether a rule is one for the path and the type of a key.
func (c *compiled) fits(k *key, p *programs) (bool, error) {
	if c.tail == tailWhole {
		return p.match(c, k.text()+string(k.typ))
	}
	if c.typ != anyType && c.typ != k.typ {
		return false, nil
	}
	rest := k.path[len(c.stem):]
	switch c.tail {
	case tailNone:
		return rest == "", nil
	case tailAny:
		return true, nil
	case tailSome:
		return rest != "", nil
	case tailBelow:
		return rest == "" || rest[0] == '/', nil
	}
	if c.must != "" && !strings.Contains(rest, c.must) {
		return false, nil
	}
	return p.match(c, k.rest(len(c.stem)))
}

// rest returns the form for engines of the path behind its first n bytes.
func (k *key) rest(n int) string {
	if text := k.text(); len(text) == len(k.path) {
		return text[n:]
	}
	return latin1(k.path[n:])
}

// programs are the engines that are in memory.
type programs struct {
	list []*compiled
	size int
	slow time.Duration // spent by engines that backtrack
}

const (
	// maxPrograms limits the size of all programs in memory, to about 100 MB.
	maxPrograms = 1 << 20
	// maxMatch and maxSlow limit how long one match, and all of them, may backtrack.
	maxMatch = time.Second
	maxSlow  = time.Minute
)

// match runs the program of a rule, which it makes when it is first used.
func (p *programs) match(c *compiled, text string) (bool, error) {
	if c.program == nil {
		if p.size += c.size; p.size > maxPrograms {
			for _, other := range p.list {
				other.program = nil
			}
			p.list, p.size = nil, c.size
		}
		p.list = append(p.list, c)
		var err error
		if c.program, err = c.load(); err != nil {
			return false, err
		}
	}
	if !c.backtrack {
		return c.program(text)
	}
	start := time.Now()
	fits, err := c.program(text)
	if p.slow += time.Since(start); err == nil && p.slow > maxSlow {
		err = fmt.Errorf("backtracking has taken more than %s", maxSlow)
	}
	if err != nil {
		return false, fmt.Errorf("%s line %d: pattern %q: %w", c.file, c.line, abbreviate(c.pattern), err)
	}
	return fits, nil
}

// load makes the engine of a rule.
func (c *compiled) load() (program, error) {
	if c.backtrack {
		e, err := backtracker(c.expr)
		if err != nil {
			return nil, err
		}
		return e.MatchString, nil
	}
	e, err := regexp.Compile("(?s)" + c.expr)
	if err != nil {
		return nil, err
	}
	return func(text string) (bool, error) { return e.MatchString(text), nil }, nil
}

// backtracker compiles a plain form for the engine that takes all of it.
func backtracker(expr string) (*regexp2.Regexp, error) {
	e, err := regexp2.Compile(expr, regexp2.Singleline)
	if err != nil {
		return nil, corrupt.Errorf("%w", err)
	}
	e.MatchTimeout = maxMatch
	return e, nil
}
