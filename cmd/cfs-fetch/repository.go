package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cfs/lib/lookup"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/policy"
	"cfs/lib/pull"
	"cfs/lib/repo"
	"cfs/lib/terminal"
	"cfs/lib/tool"
)

// composefs begins a SOURCE that is an image of another repository: DIR[:NAME|DIGEST].
const composefs = "composefs:"

// openRepository reads manifest and config of the image that where names, without composefs:.
func (o *options) openRepository(ctx context.Context, where string) (*pull.Origin, error) {
	platform, err := o.parsePlatform()
	if err != nil {
		return nil, err
	}
	dir, name, err := splitRepository(where)
	if err != nil {
		return nil, err
	}
	if err := o.checkRepositoryPolicy(dir); err != nil {
		return nil, explain(err)
	}
	r, err := o.OpenOther(dir)
	if err != nil {
		return nil, err
	}
	image, name, err := findImage(r, name)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	origin, err := pull.OpenOrigin(ctx, pull.NewRepository(r, image), composefs+dir+":"+name, nil, nil)
	if err != nil {
		return nil, err
	}
	if err := o.check(origin, platform != nil); err != nil {
		return nil, errors.Join(err, origin.Close())
	}
	return origin, nil
}

func (o *options) checkRepositoryPolicy(dir string) error {
	p, err := o.policy()
	if err != nil || p == nil {
		return err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	return p.Check("composefs", policy.PathScopes(real))
}

// splitRepository cuts DIR[:NAME] where a repository stands before the colon, and returns its absolute path.
func splitRepository(where string) (dir, name string, err error) {
	var found []string
	for i := 0; i <= len(where); i++ {
		if i == len(where) || where[i] == ':' {
			if isRepository(where[:i]) {
				found = append(found, where[:i])
			}
		}
	}
	switch len(found) {
	case 0:
		return "", "", missing.Errorf("%s%s: want composefs:DIR[:NAME] of a repository: there is none", composefs, terminal.Line(where))
	case 1:
	default:
		return "", "", tool.UsageError("%s%s names several repositories: %s", composefs, terminal.Line(where), terminal.Line(strings.Join(found, ", ")))
	}
	name = strings.TrimPrefix(where[len(found[0]):], ":")
	dir, err = filepath.Abs(found[0])
	return dir, name, err
}

func isRepository(dir string) bool {
	if dir == "" {
		return false
	}
	for _, name := range []string{"objects", "meta.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// findImage finds the image of a name, which may be "" for the only tag, and returns that name too.
func findImage(r *repo.Repo, name string) (*oci.Image, string, error) {
	if name == "" {
		var err error
		if name, err = onlyTag(r); err != nil {
			return nil, "", err
		}
	}
	image, err := lookup.Image(r, name)
	if errors.Is(err, repo.ErrAmbiguous) {
		return nil, "", tool.UsageError("%w", err)
	}
	return image, name, err
}

func onlyTag(r *repo.Repo) (string, error) {
	tags, _, err := oci.Tags(r)
	if err != nil {
		return "", err
	}
	var names []string
	for _, t := range tags {
		names = append(names, t.Tag)
	}
	switch len(names) {
	case 0:
		return "", missing.Errorf("repository %s has no tag: name the image by its digest, %s%s:sha256:…: %w", r.Path, composefs, r.Path, fs.ErrNotExist)
	case 1:
		return names[0], nil
	}
	return "", tool.UsageError("repository %s has several tags: name one of %s, as in %s%s:%s", r.Path, terminal.Line(strings.Join(names, ", ")), composefs, r.Path, terminal.Line(names[0]))
}
