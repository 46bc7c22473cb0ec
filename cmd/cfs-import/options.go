package main

import (
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

type options struct {
	tool.Options
	diffID, algorithm, formats string
	init, insecure, strict     bool
	markNew                    bool
	jobs                       int
}

func (o *options) flags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "diff-id", Destination: &o.diffID, Usage: "the uncompressed tar must have this `DIGEST`"},
		&cli.BoolFlag{Name: "init", Destination: &o.init, Usage: "create the repository if it does not exist"},
		&cli.StringFlag{Name: "algorithm", Destination: &o.algorithm, DefaultText: `"fsverity-sha512-12"`, Usage: "with --init: fs-verity `ALGORITHM`, fsverity-sha512-12 or fsverity-sha256-12"},
		&cli.StringFlag{Name: "erofs-version", Destination: &o.formats, DefaultText: `"1"`, Usage: "with --init: formats of EROFS images, `V`[,V], the default first"},
		&cli.BoolFlag{Name: "insecure", Destination: &o.insecure, Usage: "with --init: create one that does not need fs-verity"},
		&cli.BoolFlag{Name: "strict", Destination: &o.strict, Usage: "refuse media types that cfsctl does not know, and layers that are not compressed as theirs say"},
		&cli.BoolFlag{Name: "mark-new", Destination: &o.markNew, Usage: "write new=BYTES into the records of layers that are stored now"},
		&cli.IntFlag{Name: "jobs", Destination: &o.jobs, DefaultText: "number of CPUs, at most 4", Usage: "import `N` layers at once"},
		o.ProgressFlag(),
	}, o.streamFlags()...)
}

// streamFlags are the options of all that opens the repository.
func (o *options) streamFlags() []cli.Flag { return append(o.RepoFlags(), o.RecordFlags()...) }

// maxJobs is how many layers are imported at once unless more are asked for: more than one
// disk keeps up with.
const maxJobs = 4

// layersAtOnce returns how many layers are imported at once.
func (o *options) layersAtOnce() (int, error) {
	switch {
	case o.jobs < 0:
		return 0, tool.UsageError("--jobs %d: want a positive number", o.jobs)
	case o.jobs == 0:
		return min(runtime.NumCPU(), maxJobs), nil
	}
	return o.jobs, nil
}

// wantedDiffID returns the diff ID that the tar must have, "" for any.
func (o *options) wantedDiffID() (digest.Digest, error) {
	d := digest.Digest(o.diffID)
	if d != "" && d.Validate() != nil {
		return "", tool.UsageError("--diff-id %q is not a digest", d)
	}
	return d, nil
}

// asked returns how the repository is to be. What is not asked for is zero.
func (o *options) asked() (n repo.New, err error) {
	n.Insecure = o.insecure
	if o.algorithm != "" {
		if n.Algorithm, err = verity.ParseAlgorithm(o.algorithm); err != nil {
			return n, tool.UsageError("--algorithm: %w", err)
		}
	}
	if o.formats != "" {
		n.Formats, err = parseFormats(o.formats)
	}
	return n, err
}

func parseFormats(list string) (formats []variant.Format, err error) {
	for _, s := range strings.Split(list, ",") {
		f, err := variant.ParseFormat(s)
		if err != nil || slices.Contains(formats, f) {
			return nil, tool.UsageError("--erofs-version %q: want 0, 1 or 2, or several of them", list)
		}
		formats = append(formats, f)
	}
	if slices.Contains(formats, variant.V0) && slices.Contains(formats, variant.V1) {
		return nil, tool.UsageError("--erofs-version %q: images of the formats 0 and 1 have the same place, so only one of them can be kept", list)
	}
	return formats, nil
}
