package tool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"cfs/lib/flock"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/userns"
)

const systemRepo = "/sysroot/composefs"

// Options is what command lines of several tools can say. A command embeds it in a
// struct of its own, whose fields are the destinations of its options, and reads the
// command line into it by Action.
type Options struct {
	Tool     string // the name of the command
	Operands []string
	JSON     bool // write JSON

	repo, progress string
	user, system   bool
	timeout        time.Duration
	noWait         bool
	isSet          func(option string) bool
	commands       []string        // of the tool, if the command line has none of them
	told           map[string]bool // of what there was a warning
}

// RepoFlags are the options of every command that opens the repository.
func (o *Options) RepoFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "repo", Destination: &o.repo, Usage: "the repository is `DIR` (default: $COMPOSEFS_REPO, else --system for root, --user for others)"},
		&cli.BoolFlag{Name: "user", Destination: &o.user, Usage: "the repository is ~/.var/lib/composefs"},
		&cli.BoolFlag{Name: "system", Destination: &o.system, Usage: "the repository is " + systemRepo},
		&cli.DurationFlag{Name: "timeout", Destination: &o.timeout, Value: time.Minute, Usage: "wait for a lock for at most `DURATION`"},
		&cli.BoolFlag{Name: "no-wait", Destination: &o.noWait, Usage: "do not wait for a lock"},
	}
}

// recordsJSON is the option of RecordFlags, and recordsUsage its description, by which Main tells
// stages of the pipe from what writes other objects.
const (
	recordsJSON  = "json"
	recordsUsage = "write records as JSON objects"
)

// RecordFlags are the options of every command that writes records.
func (o *Options) RecordFlags() []cli.Flag {
	return []cli.Flag{&cli.BoolFlag{Name: recordsJSON, Destination: &o.JSON, Usage: recordsUsage}}
}

// ProgressFlag chooses how a command says how far it is.
func (o *Options) ProgressFlag() cli.Flag {
	return &cli.StringFlag{Name: "progress", Destination: &o.progress, Value: string(progress.Auto), Usage: "report progress on stderr as `P`: plain lines, json lines or none; auto is plain, but bars on a terminal",
		Action: func(c *cli.Context, p string) error {
			if _, err := progress.ParseMode(p); err != nil {
				return fail(c.App.Name, writer(c.Bool(recordsJSON)), UsageError("--progress %w", err))
			}
			return nil
		}}
}

// Action returns what the command-line library is to run: do, after the command line
// was read into o. An option or operand with an empty value, as of a variable that is not
// set, is a usage error.
func (o *Options) Action(do func() error) cli.ActionFunc {
	return func(c *cli.Context) error {
		o.Tool, o.Operands = c.App.Name, c.Args().Slice()
		if c.Command.Name == c.App.Name {
			o.commands = commandsOf(c.App)
		}
		o.isSet = func(option string) bool { return c.IsSet(option) && c.Value(option) != false }
		if err := checkEmpty(c); err != nil {
			if c.Command.Name == c.App.Name && isStage(c.App) {
				return o.Fail(o.Records(), err)
			}
			return err
		}
		return do()
	}
}

func checkEmpty(c *cli.Context) error {
	for _, name := range c.LocalFlagNames() {
		empty := false
		switch v := c.Value(name).(type) {
		case string:
			empty = v == ""
		case cli.StringSlice:
			empty = slices.Contains(v.Value(), "") && name != "options" && name != "o" // which mount(8) takes
		}
		if empty {
			return UsageError("%s: its value is empty", dashed(name))
		}
	}
	if slices.Contains(c.Args().Slice(), "") {
		return UsageError("an operand is empty")
	}
	return nil
}

// Given reports whether the command line has an option, also one with the default as its
// value. A switch that is turned off, as by --json=false, is not there.
func (o *Options) Given(option string) bool { return o.isSet(option) }

// Check returns the first rule that the command line breaks, as a usage error.
func (o *Options) Check(rules Rules) error {
	for _, r := range rules {
		if o.isSet(r.If) && r.broken(o.isSet) {
			return UsageError("%s", r.text())
		}
	}
	return nil
}

// Records returns a writer of records to stdout.
func (o *Options) Records() *record.Writer { return writer(o.JSON) }

func writer(asJSON bool) *record.Writer { return &record.Writer{Out: os.Stdout, JSON: asJSON} }

// Printer returns what prints progress on stderr, as the options say.
func (o *Options) Printer() *progress.Printer {
	return &progress.Printer{Tool: o.Tool, Mode: progress.Mode(o.progress), Objects: o.JSON, Out: os.Stderr}
}

// Warn prints a line for people on stderr.
func (o *Options) Warn(format string, args ...any) { o.Printer().Say(format, args...) }

// RepoPath returns which repository the command is about.
func (o *Options) RepoPath() (string, error) {
	if count(o.repo != "", o.user, o.system) > 1 {
		return "", UsageError("--repo, --user and --system are mutually exclusive")
	}
	env, isSet := os.LookupEnv("COMPOSEFS_REPO")
	switch {
	case o.repo != "":
		return o.repo, nil
	case o.user:
		return userRepo()
	case o.system:
		return systemRepo, nil
	case isSet && env == "":
		return "", UsageError("COMPOSEFS_REPO is empty: set it to the repository, or unset it")
	case isSet:
		return env, nil
	}
	root, err := userns.Root()
	if err != nil {
		return "", err
	}
	if root {
		return systemRepo, nil
	}
	return userRepo()
}

func userRepo() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", UsageError("find the user's repository: %w", err)
	}
	return filepath.Join(home, ".var/lib/composefs"), nil
}

// IsUserRepo reports whether the repository is the user's at its default place, whose folders
// may be made: that of the system may not, as /sysroot is the operating system's.
func (o *Options) IsUserRepo() bool {
	root, err := userns.Root()
	return o.user || o.repo == "" && !o.system && os.Getenv("COMPOSEFS_REPO") == "" && err == nil && !root
}

func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

// IsSystemRepo reports whether a path is that of the system's repository, by whatever name.
func IsSystemRepo(path string) (bool, error) {
	its, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	system, err := os.Stat(systemRepo)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(its, system), err
}

// RepoOption returns the option that names the repository as the command line does, as
// words for a shell with a space behind them, "" if there was none.
func (o *Options) RepoOption() string {
	switch {
	case o.repo != "":
		return "--repo " + quote(o.repo) + " "
	case o.user:
		return "--user "
	case o.system:
		return "--system "
	}
	return ""
}

// Lock returns how the command waits for locks.
func (o *Options) Lock(exclusive bool) flock.Lock {
	l := flock.Lock{Exclusive: exclusive, Timeout: o.timeout}
	if o.noWait {
		l.Timeout = 0
	}
	l.Waiting = func(holders string) { o.Warn("waiting for a lock of the repository, held by %s", holders) }
	return l
}

// OpenRepo opens the repository, with a shared lock or an exclusive one.
func (o *Options) OpenRepo(exclusive bool) (*repo.Repo, error) {
	path, err := o.RepoPath()
	if err != nil {
		return nil, err
	}
	r, err := repo.Open(path, o.Lock(exclusive))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Hint(fmt.Errorf("%s: %w", path, err), "cfs-import --init makes a repository; --repo DIR names another one")
	}
	if err != nil {
		return nil, err
	}
	r.Warn = o.oddly
	others, err := r.Others()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if others != "" && os.Geteuid() == 0 {
		o.oddly(fmt.Errorf("repository %s %s, and can change what is in it at any time", path, others))
	}
	return r, nil
}

// OpenOther opens another repository than that of the options, to read it, with a shared lock.
func (o *Options) OpenOther(path string) (*repo.Repo, error) { return repo.Open(path, o.Lock(false)) }

// oddly warns of something odd in the repository, once.
func (o *Options) oddly(err error) {
	if text := err.Error(); !o.told[text] {
		if o.told == nil {
			o.told = make(map[string]bool)
		}
		o.told[text] = true
		o.Warn("warning: %s", text)
	}
}

// OpenToWrite opens the repository with a shared lock for a command that writes.
func (o *Options) OpenToWrite() (*repo.Repo, error) {
	r, err := o.OpenRepo(false)
	if err != nil {
		return nil, err
	}
	if err := r.Writable(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}
