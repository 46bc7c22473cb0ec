package tool

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

// alike is how near two words are that one may be typed for the other, from 0 to 1 by Jaro and
// Winkler, with the weights that are usual.
const alike = 0.8

// nearest returns which of some words another one may be meant to be, "" if none.
func nearest(word string, words []string) (best string) {
	most := alike
	for _, w := range words {
		if score := smetrics.JaroWinkler(word, w, 0.7, 4); score > most {
			best, most = w, score
		}
	}
	return best
}

// Unexpected is the usage error about the first operand, of a command that takes none.
func (o *Options) Unexpected() error {
	word := o.Operands[0]
	if len(o.commands) == 0 {
		return UsageError("unexpected operand %q", word)
	}
	return UsageError("unexpected operand %q; commands are %s%s", word, strings.Join(o.commands, ", "), didYouMean(word, o.commands))
}

// CheckCommand refuses an operand that looks like a mistyped command. instead is how to write it
// for a user who means the operand.
func (o *Options) CheckCommand(word, instead string) error {
	if word != "help" && nearest(word, o.commands) == "" {
		return nil
	}
	return UsageError("%q is not a command; commands are %s%s; to use it as an operand, write %s", word, strings.Join(o.commands, ", "), didYouMean(word, o.commands), instead)
}

func didYouMean(word string, words []string) string {
	if n := nearest(word, words); n != "" {
		return fmt.Sprintf("; did you mean %s?", n)
	}
	return ""
}

// commandsOf are the names of the commands of a tool.
func commandsOf(app *cli.App) (names []string) {
	for _, c := range app.VisibleCommands() {
		names = append(names, c.Name)
	}
	return names
}

var undefined = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)

// unknownOption says more about an option that a command does not have: which one may be meant.
func unknownOption(c *cli.Context, err error) error {
	m := undefined.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	flags := c.App.Flags
	if c.Command != nil && c.Command.Name != c.App.Name {
		flags = c.Command.Flags
	}
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	slices.Sort(names)
	text := fmt.Sprintf("unknown option --%s", m[1])
	if n := nearest(m[1], names); n != "" {
		text += fmt.Sprintf("; did you mean --%s?", n)
	}
	return errors.New(text)
}
