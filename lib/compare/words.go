package compare

import (
	"strconv"
	"strings"

	"cfs/lib/dumpfile"
)

// uniform says that several files all have the same value in one of the trees.
func (t *tally) uniform() string {
	old, new := t.old.text, t.new.text
	oneOld, oneNew := old.all(old.text, t.count), new.all(new.text, t.count)
	switch {
	case t.count == 1:
	case oneOld && oneNew:
		return ": all " + dumpfile.Escape(old.text) + " in A and " + dumpfile.Escape(new.text) + " in B"
	case oneNew:
		return ": all " + dumpfile.Escape(new.text) + " in B"
	case oneOld:
		return ": all " + dumpfile.Escape(old.text) + " in A"
	}
	return ""
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return number(n) + " entries"
}

// number writes a number with a comma before each three digits.
func number(n int) string {
	s := strconv.Itoa(n)
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
