package tool

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"
)

// Optional is the value of an option that may be given without one: "" if it is not given,
// "true" without a value, else one of Words.
type Optional struct {
	Words []string
	Value string
}

// Set is called by the package flag.
func (v *Optional) Set(s string) error {
	if s != "true" && !slices.Contains(v.Words, s) {
		return fmt.Errorf("want no value, or one of %q", v.Words)
	}
	v.Value = s
	return nil
}

// String returns the value.
func (v *Optional) String() string { return v.Value }

// Get returns the value, for the package cli.
func (v *Optional) Get() any { return v.Value }

// IsBoolFlag tells the package flag that a value comes behind "=" or not at all.
func (v *Optional) IsBoolFlag() bool { return true }

// OptionalFlag is the option with such a value.
type OptionalFlag struct{ *cli.GenericFlag }

// NewOptionalFlag returns the option of a name.
func NewOptionalFlag(name, usage string, v *Optional) OptionalFlag {
	return OptionalFlag{&cli.GenericFlag{Name: name, Usage: usage, Destination: v}}
}

// TakesValue reports that the next argument is none.
func (OptionalFlag) TakesValue() bool { return false }

// String returns the line of the help.
func (f OptionalFlag) String() string { return cli.FlagStringer(f) }
