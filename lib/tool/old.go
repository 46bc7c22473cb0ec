package tool

import (
	"github.com/urfave/cli/v2"

	"cfs/lib/flock"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/temporary"
	"cfs/lib/terminal"
)

// What follows is for commands that do not have a struct of options yet.

func of(c *cli.Context) *Options {
	return &Options{
		Tool: c.App.Name, Operands: c.Args().Slice(), JSON: c.Bool(recordsJSON), repo: c.String("repo"), progress: c.String("progress"),
		user: c.Bool("user"), system: c.Bool("system"), timeout: c.Duration("timeout"), noWait: c.Bool("no-wait"),
	}
}

func RepoFlags() []cli.Flag   { return new(Options).RepoFlags() }
func RecordFlags() []cli.Flag { return new(Options).RecordFlags() }
func ProgressFlag() cli.Flag  { return new(Options).ProgressFlag() }

func Records(c *cli.Context) *record.Writer                       { return of(c).Records() }
func RepoPath(c *cli.Context) (string, error)                     { return of(c).RepoPath() }
func Lock(c *cli.Context, exclusive bool) flock.Lock              { return of(c).Lock(exclusive) }
func OpenRepo(c *cli.Context, exclusive bool) (*repo.Repo, error) { return of(c).OpenRepo(exclusive) }
func OpenToWrite(c *cli.Context) (*repo.Repo, error)              { return of(c).OpenToWrite() }
func Warn(c *cli.Context, format string, args ...any)             { of(c).Warn(format, args...) }
func NewMeter(c *cli.Context) *progress.Meter                     { return of(c).Printer().Meter() }
func Progress(c *cli.Context, e progress.Event)                   { of(c).Printer().Event(e) }
func OneLine(err error) string                                    { return terminal.Line(err.Error()) }
func Again(format string, args ...any) error                      { return temporary.Errorf(format, args...) }

func Filter(c *cli.Context, out *record.Writer, s Stage) error { return of(c).Filter(out, s) }
func Fail(c *cli.Context, out *record.Writer, err error) error { return of(c).Fail(out, err) }

type (
	Event = progress.Event
	Meter = progress.Meter
	Item  = progress.Item
)
