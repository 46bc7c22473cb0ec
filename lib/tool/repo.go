package tool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"cfs/lib/repo"
)

const systemRepo = "/sysroot/composefs"

// RepoFlags are the options of every command that opens the repository.
func RepoFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "repo", Usage: "the repository is `DIR` (default: $COMPOSEFS_REPO, else --system for root, --user for others)"},
		&cli.BoolFlag{Name: "user", Usage: "the repository is ~/.var/lib/composefs"},
		&cli.BoolFlag{Name: "system", Usage: "the repository is " + systemRepo},
		&cli.DurationFlag{Name: "timeout", Value: time.Minute, Usage: "wait for a lock for at most `DURATION`"},
		&cli.BoolFlag{Name: "no-wait", Usage: "do not wait for a lock"},
	}
}

// RepoPath returns which repository the command is about.
func RepoPath(c *cli.Context) (string, error) {
	dir, user, system := c.String("repo"), c.Bool("user"), c.Bool("system")
	if count(dir != "", user, system) > 1 {
		return "", UsageError("--repo, --user and --system exclude each other")
	}
	env := os.Getenv("COMPOSEFS_REPO")
	switch {
	case dir != "":
		return dir, nil
	case user:
	case system:
		return systemRepo, nil
	case env != "":
		return env, nil
	case os.Geteuid() == 0:
		return systemRepo, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", UsageError("where is the user's repository? %w", err)
	}
	return filepath.Join(home, ".var/lib/composefs"), nil
}

func count(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

// Lock returns how the command waits for locks.
func Lock(c *cli.Context, exclusive bool) repo.Lock {
	l := repo.Lock{Exclusive: exclusive, Timeout: c.Duration("timeout")}
	if c.Bool("no-wait") {
		l.Timeout = 0
	}
	l.Waiting = func(holders string) { Warn(c, "waiting for a lock of the repository, held by %s", holders) }
	return l
}

// OpenRepo opens the repository, with a shared lock or an exclusive one.
func OpenRepo(c *cli.Context, exclusive bool) (*repo.Repo, error) {
	path, err := RepoPath(c)
	if err != nil {
		return nil, err
	}
	r, err := repo.Open(path, Lock(c, exclusive))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Hint(fmt.Errorf("%s: %w", path, err), "cfs-import --init makes a repository; --repo DIR names another one")
	}
	return r, err
}

// OpenToWrite opens the repository with a shared lock for a command that writes.
func OpenToWrite(c *cli.Context) (*repo.Repo, error) {
	r, err := OpenRepo(c, false)
	if err != nil {
		return nil, err
	}
	if err := r.Writable(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}
