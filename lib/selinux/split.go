package selinux

import "regexp/syntax"

// split takes a pattern of a path apart into the text that it begins with and what
// comes behind.
func (c *compiled) split(tree *syntax.Regexp) {
	parts := flatten(nil, tree)
	for len(parts) > 0 && isText(parts[0]) {
		c.stem += textOf(parts[0])
		parts = parts[1:]
	}
	// (/.*)? may be all that is left, and /.* may have given its slash to the stem.
	rest := &syntax.Regexp{Op: syntax.OpConcat, Sub: parts}
	c.tail = tailOf(parts)
	if c.tail != tailRegexp {
		c.expr = ""
		return
	}
	for _, part := range parts {
		if text := textOf(part); len(text) > len(c.must) {
			c.must = text
		}
	}
	c.expr = `\A(?:` + rest.String() + `)\z`
}

// flatten appends the parts that come one after the other in a pattern.
func flatten(parts []*syntax.Regexp, n *syntax.Regexp) []*syntax.Regexp {
	switch n.Op {
	case syntax.OpEmptyMatch:
		return parts
	case syntax.OpCapture:
		return flatten(parts, n.Sub[0])
	case syntax.OpConcat:
		for _, sub := range n.Sub {
			parts = flatten(parts, sub)
		}
		return parts
	}
	return append(parts, n)
}

func tailOf(parts []*syntax.Regexp) tail {
	switch {
	case len(parts) == 0:
		return tailNone
	case len(parts) > 1:
		return tailRegexp
	}
	n := parts[0]
	switch {
	case isAny(n, syntax.OpStar):
		return tailAny
	case isAny(n, syntax.OpPlus):
		return tailSome
	case n.Op == syntax.OpQuest:
		sub := flatten(nil, n.Sub[0])
		if len(sub) == 2 && isText(sub[0]) && textOf(sub[0]) == "/" && isAny(sub[1], syntax.OpStar) {
			return tailBelow
		}
	}
	return tailRegexp
}

// isAny reports whether a pattern is "." repeated by op.
func isAny(n *syntax.Regexp, op syntax.Op) bool {
	return n.Op == op && n.Sub[0].Op == syntax.OpAnyChar
}

func isText(n *syntax.Regexp) bool {
	return n.Op == syntax.OpLiteral && n.Flags&syntax.FoldCase == 0
}

// textOf returns the bytes that a literal stands for, none for what is no literal.
func textOf(n *syntax.Regexp) string {
	if !isText(n) {
		return ""
	}
	text := make([]byte, len(n.Rune))
	for i, r := range n.Rune {
		text[i] = byte(r)
	}
	return string(text)
}
