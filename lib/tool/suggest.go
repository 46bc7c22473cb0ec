package tool

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/missing"
)

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
	if word != "help" && missing.Nearest(word, o.commands) == "" {
		return nil
	}
	return UsageError("%q is not a command; commands are %s%s; to use it as an operand, write %s", word, strings.Join(o.commands, ", "), didYouMean(word, o.commands), instead)
}

func didYouMean(word string, words []string) string {
	if n := missing.Nearest(word, words); n != "" {
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

// What the library says about options, in the words of Go's package flag.
var (
	undefined = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	noValue   = regexp.MustCompile(`^flag needs an argument: -(.*)$`)
	invalid   = regexp.MustCompile(`(?s)^invalid (?:boolean )?value ("(?:[^"\\]|\\.)*") for (?:flag )?-([^ :]+): `)
)

// optionError says of an option what the library says in other words: which one may be meant instead of one that
// a command does not have, and how its value is written.
func optionError(c *cli.Context, err error) error {
	flags := c.App.Flags
	if c.Command != nil && c.Command.Name != c.App.Name {
		flags = c.Command.Flags
	}
	if m := undefined.FindStringSubmatch(err.Error()); m != nil {
		return unknownOption(flags, m[1])
	}
	if m := noValue.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s needs a value", dashed(m[1]))
	}
	if m := invalid.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s %s: want %s", dashed(m[2]), m[1], valuesOf(flags, m[2]))
	}
	return err
}

// valuesOf says which values an option takes.
func valuesOf(flags []cli.Flag, name string) string {
	i := slices.IndexFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if i < 0 {
		return "another value"
	}
	switch flags[i].(type) {
	case *cli.DurationFlag:
		return "a number and a unit, as in 5s, 90m or 48h"
	case *cli.BoolFlag:
		return "true or false"
	}
	return "a whole number"
}

func unknownOption(flags []cli.Flag, name string) error {
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	slices.Sort(names)
	text := "unknown option " + dashed(name)
	if n := missing.Nearest(name, names); n != "" {
		text += fmt.Sprintf("; did you mean %s?", dashed(n))
	}
	return errors.New(text)
}

// dashed writes the name of an option as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
