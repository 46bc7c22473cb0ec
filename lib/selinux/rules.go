package selinux

import (
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"cfs/lib/corrupt"
)

// noLabel is the context of a rule for what has none.
const noLabel = "<<none>>"

// anyType is the type character of a rule for files of all types, which is what
// matches them all in a pattern.
const anyType = '.'

// rule is a line of a file_contexts file.
type rule struct {
	file    string
	line    int
	pattern string
	typ     byte // as in keyType, or anyType
	context string
}

// lines gives the lines of a text and their numbers, from 1, without their ends.
func lines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range strings.Lines(text) {
			n++
			if !yield(n, strings.TrimSuffix(line, "\n")) {
				return
			}
		}
	}
}

// fields gives the fields of each line of a text that is neither empty nor a comment.
// An error, which may be that of do, names file and line.
func fields(file, text string, do func(line int, words []string) error) error {
	for n, line := range lines(text) {
		var err error
		if !utf8.ValidString(line) {
			err = corrupt.Errorf("is not UTF-8")
		} else if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			err = do(n, words)
		}
		if err != nil {
			return fmt.Errorf("%s line %d: %w", file, n, err)
		}
	}
	return nil
}

// addRules takes in the lines of a file: PATTERN [-TYPE] CONTEXT.
func (m *matcher) addRules(file, text string) error {
	return fields(file, text, func(line int, words []string) error {
		r, err := parseRule(words)
		r.file, r.line = file, line
		if err != nil {
			return err
		}
		return m.add(r)
	})
}

func parseRule(words []string) (rule, error) {
	r := rule{pattern: words[0], typ: anyType}
	words = words[1:]
	if len(words) > 0 && strings.HasPrefix(words[0], "-") {
		if len(words[0]) != 2 || !strings.Contains("bcdpls-", words[0][1:]) {
			return r, corrupt.Errorf("unknown file type %q: want -b, -c, -d, -p, -l, -s or --", abbreviate(words[0]))
		}
		r.typ, words = words[0][1], words[1:]
	}
	switch {
	case len(words) == 0:
		return r, corrupt.Errorf("no context after the pattern %q", abbreviate(r.pattern))
	case len(words) > 1:
		return r, corrupt.Errorf("%q after the context", abbreviate(words[1]))
	}
	r.context = words[0]
	return r, nil
}

// addAliases takes in the lines of a file: ALIAS PATH.
func (p *policy) addAliases(file, text string) error {
	return fields(file, text, func(_ int, words []string) error {
		switch {
		case len(words) < 2:
			return corrupt.Errorf("no path after the alias %q", abbreviate(words[0]))
		case len(words) > 2:
			return corrupt.Errorf("%q after the path", abbreviate(words[2]))
		}
		p.aliases[words[0]] = words[1]
		return nil
	})
}

// abbreviate shortens what a message shows of a line, which may have any length.
func abbreviate(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
