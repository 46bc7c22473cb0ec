// Cfs-gc removes unreferenced data from a repository.
//
// Usage:
//
//	cfs-gc [--bootdir DIR]... [options]
//	cfs-gc check [options] [NAME|DIGEST]...
//	cfs-gc info [--json] [--spool DIR] [options]
//	cfs-gc inhibit [options] -- COMMAND [ARG]...
//
// It keeps everything reachable from tags, other refs, leases of unfinished pulls and mounts. It
// waits until no other process has the repository open, reads all roots completely, and only then
// removes the rest. It prints what it removed or, with --dry-run, would remove.
//
// Check reads the repository, or the data of some images, and lists damage; --repair removes
// damaged data, so that pulling again restores it. Info describes the repository. Inhibit runs a
// command while no collection can start.
package main

import (
	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

func main() {
	o := &options{}
	tool.Main(&cli.App{
		Name:      "cfs-gc",
		Usage:     "remove unreferenced data from a repository",
		UsageText: "cfs-gc [options]\ncfs-gc check [options] [NAME|DIGEST]...\ncfs-gc info [--json] [--spool DIR] [options]\ncfs-gc inhibit [options] -- COMMAND [ARG]...",
		Description: "Keeps what tags, other refs, leases of unfinished pulls and mounts reach, and removes\nthe rest. It waits until nobody else has the repository open.\n\n" +
			"EXAMPLES:\n   cfs-link untag NAME && cfs-gc\n   cfs-gc check --content --repair\n   cfs-gc inhibit -- rsync -a REPO/ ELSEWHERE/",
		Flags:  o.collectFlags(),
		Action: o.Action(o.collect),
		Commands: []*cli.Command{
			{Name: "check", Usage: "verify the integrity of the repository", ArgsUsage: "[NAME|DIGEST]...", Flags: o.checkFlags(), Action: o.Action(o.check)},
			{Name: "info", Usage: "describe the repository: algorithm, formats, tags, objects, leases", Flags: o.infoFlags(), Action: o.Action(o.info)},
			{Name: "inhibit", Usage: "run a command with garbage collection blocked", ArgsUsage: "-- COMMAND [ARG]...", Flags: o.RepoFlags(), Action: o.Action(o.inhibit)},
		},
	})
}
