// Package tool contains what all commands have in common: starting, opening the repository,
// reading and writing records, reporting progress, failing and exiting.
package tool

import (
	"cmp"
	"errors"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/lanes"
	"cfs/lib/progress"
)

const exitStatuses = `EXIT STATUS:
   0 success; 1 failure; 2 usage error; 3 not found; 4 corrupt data: digest or
   format do not match; 5 lock time-out; 75 temporary failure, retry
`

// completion is the last argument of a shell that asks what can come next (of
// github.com/urfave/cli). It must be seen by the library where it stands.
const completion = "--generate-bash-completion"

// gcPercent has the garbage collector run more often than by default: the
// stages of a pipe are all in memory at once, and time is spent in hashing.
const gcPercent = 25

// Main runs a command and exits.
func Main(app *cli.App) {
	debug.SetGCPercent(gcPercent)
	app.Version = Version
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Aliases: []string{"V"}, DisableDefaultText: true, Usage: "print the version"} // people expect -v to be verbose
	cli.VersionPrinter = func(c *cli.Context) { printVersion(c.App.Writer, c.App.Name) }
	app.HideHelpCommand = true
	app.EnableBashCompletion = true
	app.DisableSliceFlagSeparator = true
	app.UseShortOptionHandling = false
	app.ExitErrHandler = func(*cli.Context, error) {} // the library would exit for us
	app.Before = checkEnvironment
	app.OnUsageError = usageError
	if isStage(app) {
		app.OnUsageError = stageUsageError
	}
	app.CustomAppHelpTemplate = cli.AppHelpTemplate + "\n" + exitStatuses
	app.ErrWriter = os.Stderr
	plainDefaults(app.Flags)
	for _, c := range app.Commands {
		c.HideHelpCommand = true
		c.OnUsageError = usageError
		c.CustomHelpTemplate = cli.CommandHelpTemplate + "\n" + exitStatuses
		plainDefaults(c.Flags)
	}
	args := os.Args
	if args[len(args)-1] != completion {
		args = arrange(app, args)
	} else if slices.Contains(args, "--") {
		return // operands come, of which we know nothing; the library would run the command
	}
	out := &progress.Printer{Tool: app.Name, Objects: wantsJSON(app, args), Out: os.Stderr}
	if stdoutClosed != 0 {
		os.Exit(report(errors.New("stdout is closed: redirect it to /dev/null if the output is not needed"), out))
	}
	help := &lasting{}
	app.Writer = help
	os.Exit(report(cmp.Or(app.Run(args), help.err), out))
}

// lasting writes to stdout, and keeps the first error: the library looks at none when it prints help.
type lasting struct{ err error }

func (l *lasting) Write(p []byte) (int, error) {
	n, err := os.Stdout.Write(p)
	l.err = cmp.Or(l.err, err)
	return n, err
}

// wantsJSON reports whether arguments, as arrange returns them, ask for JSON: then errors are
// objects too, also those about the arguments.
func wantsJSON(app *cli.App, args []string) bool {
	flags := app.Flags
	for i := 1; i < len(args) && args[i] != "--"; i++ {
		if c := app.Command(args[i]); i == 1 && c != nil {
			flags = c.Flags
			continue
		}
		switch strings.TrimLeft(args[i], "-") {
		case "json", "json=true", "progress=json":
			return true
		case "progress":
			if i+1 < len(args) && args[i+1] == string(progress.JSON) {
				return true
			}
		}
		if takesValue(flags, args[i]) {
			i++
		}
	}
	return false
}

// plainDefaults leaves "(default: false)" out of the help.
func plainDefaults(flags []cli.Flag) {
	for _, f := range flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true
		}
	}
}

func usageError(c *cli.Context, err error, _ bool) error {
	return UsageError("%w", optionError(c, err))
}

// checkEnvironment refuses a value of the variable that chooses an implementation of the
// hashes: who mistypes it would believe that it works.
func checkEnvironment(c *cli.Context) error {
	err := lanes.Check()
	switch {
	case err == nil:
		return nil
	case c.App.Command(c.Args().First()) != nil:
		return usageError(c, err, false)
	}
	return c.App.OnUsageError(c, err, false)
}

// isStage reports whether a command, without one of its subcommands, is a stage of
// the pipe: those write records.
func isStage(app *cli.App) bool {
	return slices.ContainsFunc(app.Flags, func(f cli.Flag) bool {
		b, ok := f.(*cli.BoolFlag)
		return ok && b.Name == recordsJSON && b.Usage == recordsUsage
	})
}

// stageUsageError lets the next stage know.
func stageUsageError(c *cli.Context, err error, _ bool) error {
	return fail(c.App.Name, writer(c.Bool(recordsJSON)), UsageError("%w", optionError(c, err)))
}

// arrange moves options to where the library wants them: behind the command, if
// there is one, and before the operands. What comes behind "--" is operands alone. Who
// asks for help needs no operands: the library would look for help about them.
func arrange(app *cli.App, args []string) []string {
	flags, head, rest := app.Flags, args[:1:1], args[1:]
	var options, operands []string
	help := false
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			operands, rest = append(operands, rest...), nil
		case len(arg) > 1 && arg[0] == '-':
			options = append(options, arg)
			help = help || slices.Contains(cli.HelpFlag.Names(), strings.TrimLeft(arg, "-"))
			if !takesValue(flags, arg) {
				continue
			}
			if len(rest) == 0 {
				return append(head, options...) // else "--" would be its value
			}
			options, rest = append(options, rest[0]), rest[1:]
		case len(head) == 1 && len(operands) == 0 && app.Command(arg) != nil:
			head, flags = append(head, arg), app.Command(arg).Flags
		default:
			operands = append(operands, arg)
		}
	}
	if help {
		operands = nil
	}
	return slices.Concat(head, options, []string{"--"}, operands)
}

func takesValue(flags []cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			d, ok := f.(cli.DocGenerationFlag)
			return ok && d.TakesValue()
		}
	}
	return false
}
