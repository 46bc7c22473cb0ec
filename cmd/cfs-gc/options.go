package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

// options are what the command line can say.
type options struct {
	tool.Options

	dryRun, verbose, allowEmpty, dropMounts bool // of a collection
	keep                                    time.Duration
	bootdirs                                cli.StringSlice

	content, repair, tags bool // of a check

	spool string // of info
}

func (o *options) collectFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Destination: &o.dryRun, Usage: "count what would be removed, remove nothing"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Destination: &o.verbose, Usage: "list what is removed: names, references, objects with their sizes"},
		&cli.DurationFlag{Name: "keep", Destination: &o.keep, Value: 24 * time.Hour, Usage: "keep leases of unfinished pulls that are younger than `AGE`"},
		&cli.BoolFlag{Name: "drop-mount-leases", Destination: &o.dropMounts, Usage: "drop the leases of mounts that are not visible, which may still exist"},
		&cli.StringSliceFlag{Name: "bootdir", Destination: &o.bootdirs, Usage: "keep the images that boot entries below `DIR` name; may be repeated"},
		&cli.BoolFlag{Name: "allow-empty", Destination: &o.allowEmpty, Usage: "remove everything if there are no roots"},
		&cli.BoolFlag{Name: "json", Destination: &o.JSON, Usage: "report what was removed as a JSON object"},
	}, o.RepoFlags()...)
}

func (o *options) checkFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "content", Destination: &o.content, Usage: "read the layers and compare them with their diff IDs"},
		&cli.BoolFlag{Name: "repair", Destination: &o.repair, Usage: "remove damaged data, so that pulling again heals"},
		&cli.BoolFlag{Name: "tags", Destination: &o.tags, Usage: "print only the damaged tags, one per line"},
		&cli.BoolFlag{Name: "json", Destination: &o.JSON, Usage: "write the report as JSON"},
	}, o.RepoFlags()...)
}

func (o *options) infoFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "spool", Destination: &o.spool, Usage: "also count blobs that only the spool at `DIR` contains"},
		&cli.BoolFlag{Name: "json", Destination: &o.JSON, Usage: "write a JSON object"},
	}, o.RepoFlags()...)
}
