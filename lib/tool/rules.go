package tool

import (
	"fmt"
	"slices"
	"strings"
)

// Rule says which options do not go together, or only together.
type Rule struct {
	If    string   // this option is given
	Not   string   // and this one as well: they exclude each other
	Needs []string // and none of these: it goes with one of them
	Say   string   // instead of that
}

// Rules is what a command line must not break. Those about options that a command does
// not have hold.
type Rules []Rule

func (r Rule) broken(isSet func(string) bool) bool {
	return r.Not != "" && isSet(r.Not) || r.Needs != nil && !slices.ContainsFunc(r.Needs, isSet)
}

func (r Rule) text() string {
	switch {
	case r.Say != "":
		return r.Say
	case r.Not != "":
		return fmt.Sprintf("--%s and --%s are mutually exclusive", r.If, r.Not)
	}
	last := len(r.Needs) - 1
	goesWith := "--" + r.Needs[last]
	if last > 0 {
		goesWith = "--" + strings.Join(r.Needs[:last], ", --") + " or " + goesWith
	}
	return fmt.Sprintf("--%s requires %s", r.If, goesWith)
}
