package main

import (
	"errors"
	"io/fs"
	"slices"

	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// open opens the repository, and makes it before if it may.
func (o *options) open() (*repo.Repo, error) {
	asked, err := o.asked()
	if err != nil {
		return nil, err
	}
	if o.init {
		if err := o.initRepo(asked); err != nil {
			return nil, err
		}
	}
	r, err := o.OpenToWrite()
	if err != nil {
		return nil, err
	}
	if err := sameAsAsked(r, asked); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// initRepo makes the repository if there is none.
func (o *options) initRepo(n repo.New) error {
	if n.Algorithm == 0 {
		n.Algorithm = verity.SHA512
	}
	if n.Formats == nil {
		n.Formats = []variant.Format{variant.V1}
	}
	path, err := o.RepoPath()
	if err != nil {
		return err
	}
	if o.IsUserRepo() {
		if err := repo.MakeParents(path); err != nil {
			return err
		}
	}
	err = repo.Init(path, n)
	if errors.Is(err, fs.ErrNotExist) {
		return tool.Hint(err, "the parent directory must exist; --repo DIR names another repository")
	}
	return err
}

// sameAsAsked refuses a repository that is not as the options say, which only count
// where it is new. Those that were not given say nothing.
func sameAsAsked(r *repo.Repo, asked repo.New) error {
	if asked.Algorithm != 0 && asked.Algorithm != r.Algorithm {
		return tool.UsageError("repository %s is of %s, not %s", r.Path, r.Algorithm, asked.Algorithm)
	}
	if asked.Formats == nil {
		return nil
	}
	slices.Sort(asked.Formats[1:])
	if !slices.Equal(asked.Formats, r.Formats) {
		return tool.UsageError("repository %s keeps EROFS images in the formats %v, not %v", r.Path, r.Formats, asked.Formats)
	}
	return nil
}
