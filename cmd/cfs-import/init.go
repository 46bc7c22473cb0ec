package main

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// wanted reads the options that say how a new repository is to be.
func wanted(c *cli.Context) (repo.New, error) {
	n := repo.New{Insecure: c.Bool("insecure")}
	var err error
	if n.Algorithm, err = verity.ParseAlgorithm(c.String("algorithm")); err != nil {
		return n, tool.UsageError("--algorithm: %w", err)
	}
	for _, s := range strings.Split(c.String("erofs-version"), ",") {
		v, err := variant.ParseFormat(s)
		if err != nil || slices.Contains(n.Formats, v) {
			return n, tool.UsageError("--erofs-version %q: want 0, 1 or 2, or several of them", c.String("erofs-version"))
		}
		n.Formats = append(n.Formats, v)
	}
	if slices.Contains(n.Formats, variant.V0) && slices.Contains(n.Formats, variant.V1) {
		return n, tool.UsageError("--erofs-version %q: images of the formats 0 and 1 have the same place, so only one of them can be kept", c.String("erofs-version"))
	}
	return n, nil
}

// open opens the repository, and makes it before if it may.
func open(c *cli.Context) (*repo.Repo, error) {
	if c.Bool("init") {
		if err := initRepo(c); err != nil {
			return nil, err
		}
	}
	r, err := tool.OpenToWrite(c)
	if err != nil {
		return nil, err
	}
	if err := sameAsAsked(c, r); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// initRepo makes the repository if there is none.
func initRepo(c *cli.Context) error {
	n, err := wanted(c)
	if err != nil {
		return err
	}
	path, err := tool.RepoPath(c)
	if err != nil {
		return err
	}
	err = repo.Init(path, n)
	if errors.Is(err, fs.ErrNotExist) {
		return tool.Hint(err, "the directory above it must be there; --repo DIR names another repository")
	}
	return err
}

// sameAsAsked refuses a repository that is not as the options say, which only count
// where it is new. Those that were not given say nothing.
func sameAsAsked(c *cli.Context, r *repo.Repo) error {
	n, err := wanted(c)
	if err != nil {
		return err
	}
	if c.IsSet("algorithm") && n.Algorithm != r.Algorithm {
		return tool.UsageError("repository %s is of %s, not %s", r.Path, r.Algorithm, n.Algorithm)
	}
	slices.Sort(n.Formats[1:])
	if c.IsSet("erofs-version") && !slices.Equal(n.Formats, r.Formats) {
		return tool.UsageError("repository %s keeps EROFS images in the formats %v, not %v", r.Path, r.Formats, n.Formats)
	}
	return nil
}
