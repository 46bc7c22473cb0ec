// Cfs-gc removes what nothing refers to, checks repositories, and keeps others from
// collecting.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"cfs/lib/gc"
	"cfs/lib/mount"
	"cfs/lib/tool"
)

func main() {
	repository := tool.RepoFlags()
	tool.Main(&cli.App{
		Name:      "cfs-gc",
		Usage:     "remove what nothing refers to",
		UsageText: "cfs-gc [options]\ncfs-gc check [options] [NAME|DIGEST]\ncfs-gc inhibit [options] -- COMMAND [ARG]...",
		Description: "Keeps what tags, other refs, leases of unfinished pulls and mounts reach, and removes\nthe rest. It waits until nobody else has the repository open.\n\n" +
			"EXAMPLES:\n   cfs-link untag NAME && cfs-gc\n   cfs-gc check --content --repair\n   cfs-gc inhibit -- rsync -a REPO/ ELSEWHERE/",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only say what would go"},
			&cli.DurationFlag{Name: "keep", Value: 24 * time.Hour, Usage: "keep leases up to this `AGE`"},
			&cli.BoolFlag{Name: "allow-empty", Usage: "remove everything if there are no roots"},
		}, repository...),
		Action: collect,
		Commands: []*cli.Command{
			{Name: "check", Usage: "check that everything is whole", ArgsUsage: "[NAME|DIGEST]", Action: check, Flags: append([]cli.Flag{
				&cli.BoolFlag{Name: "content", Usage: "read the layers and compare them with their diff IDs"},
				&cli.BoolFlag{Name: "repair", Usage: "remove what is damaged, so that pulling again heals"},
				&cli.BoolFlag{Name: "json", Usage: "write the report as JSON"},
			}, repository...)},
			{Name: "inhibit", Usage: "run a command while no collection can start", ArgsUsage: "-- COMMAND [ARG]...", Flags: repository, Action: inhibit},
		},
	})
}

func collect(c *cli.Context) error {
	if c.NArg() > 0 {
		return tool.UsageError("unexpected operand %q", c.Args().First())
	}
	dry := c.Bool("dry-run")
	r, err := tool.OpenRepo(c, !dry)
	if err != nil {
		return err
	}
	defer r.Close()
	if !dry {
		if err := r.Writable(); err != nil {
			return err
		}
	}
	mounted, err := mount.Mounted()
	if err != nil {
		return err
	}
	k := gc.Collector{Repo: r, Keep: c.Duration("keep"), AllowEmpty: c.Bool("allow-empty"), DryRun: dry,
		Warn: func(err error) { tool.Warn(c, "warning: %v", err) }}
	for name := range mounted {
		k.Mounted = append(k.Mounted, name)
	}
	result, err := k.Run()
	if errors.Is(err, gc.ErrNoRoots) {
		return tool.Hint(err, "--allow-empty does so")
	}
	if err != nil {
		return err
	}
	return printResult(result, dry)
}

func printResult(result gc.Result, dry bool) error {
	text := ""
	if dry {
		text = "Dry run (no files deleted):\n"
	}
	text += fmt.Sprintf("Objects: %d removed (%d bytes)\n", result.Objects, result.Bytes)
	if result.Images+result.Streams > 0 {
		text += fmt.Sprintf("Pruned symlinks: %d images, %d streams\n", result.Images, result.Streams)
	}
	if result.Leftovers > 0 {
		text += fmt.Sprintf("Leftovers: %d removed\n", result.Leftovers)
	}
	_, err := os.Stdout.WriteString(text)
	return err
}

// inhibit turns into the command, which has the lock as long as it, or a child that
// it leaves behind, runs.
func inhibit(c *cli.Context) error {
	if c.NArg() == 0 {
		return tool.UsageError("want a COMMAND")
	}
	r, err := tool.OpenRepo(c, false)
	if err != nil {
		return err
	}
	if err := r.Inherit(); err != nil {
		return err
	}
	path, err := exec.LookPath(c.Args().First())
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, c.Args().Slice(), os.Environ()))
}
