package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"cfs/lib/boot"
	"cfs/lib/bootable"
	"cfs/lib/bootloader"
	"cfs/lib/esp"
	"cfs/lib/lookup"
	"cfs/lib/missing"
	"cfs/lib/pull"
	"cfs/lib/repo"
	"cfs/lib/seal"
	"cfs/lib/signed"
	"cfs/lib/survey"
	"cfs/lib/terminal"
	"cfs/lib/tool"
	"cfs/lib/verity"
)

// bootOptions are the options of the commands about boot entries.
type bootOptions struct {
	dir, id, entry, state              string
	cmdline                            cli.StringSlice
	insecure, requireVerity, sharedVar bool
	tries                              int
	dryRun, force, check, removeState  bool
}

// maxTries is how many boots a name has room to count.
const maxTries = 99

func (o *options) bootDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "bootdir", Destination: &o.boot.dir, Value: "/boot", Usage: "use the boot loader's directory `DIR`"}
}

func (o *options) dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Destination: &o.boot.dryRun, Usage: "list what would be written and removed, change nothing"}
}

func (o *options) bootInstallFlags() []cli.Flag {
	b := &o.boot
	return append([]cli.Flag{
		o.bootDirFlag(),
		&cli.StringFlag{Name: "entry-id", Destination: &b.id, Usage: "name the entry `ID` (default: the system's ID and 16 digits of the boot image)"},
		&cli.StringFlag{Name: "entry", Destination: &b.entry, Usage: "install the entry at `PATH` in the image, as cfs-mkerofs boot-entries prints it (default: the first)"},
		&cli.StringSliceFlag{Name: "cmdline", Destination: &b.cmdline, Usage: "set the argument `ARG` of the kernel; may be repeated"},
		&cli.BoolFlag{Name: "insecure", Destination: &b.insecure, Usage: "also boot the image without fs-verity"},
		&cli.BoolFlag{Name: "require-verity", Destination: &b.requireVerity, Usage: "boot the image only with fs-verity (default: as the repository has it)"},
		&cli.IntFlag{Name: "tries", Destination: &b.tries, Usage: "let the boot loader try a new entry `N` times"},
		&cli.StringFlag{Name: "state", Destination: &b.state, Usage: "create the state directories below `DIR`, or none (default: next to the system's repository)"},
		tool.NewOptionalFlag("require-signature", "install nothing unless the boot image is signed; with =image, also the manifest or config", &o.require),
		o.trustFlag(),
		&cli.BoolFlag{Name: "shared-var", Destination: &b.sharedVar, Usage: "share one /var between all images, as bootc does"},
		o.dryRunFlag(),
	}, o.common()...)
}

func (o *options) bootListFlags() []cli.Flag {
	return append([]cli.Flag{
		o.bootDirFlag(),
		&cli.BoolFlag{Name: "check", Destination: &o.boot.check, Usage: "exit with status 4 if there is a problem"},
	}, o.common()...)
}

func (o *options) bootRemoveFlags() []cli.Flag {
	return append([]cli.Flag{
		o.bootDirFlag(), o.dryRunFlag(),
		&cli.BoolFlag{Name: "force", Destination: &o.boot.force, Usage: "also remove the booted entry, and a ref whose entry is missing"},
		&cli.BoolFlag{Name: "state", Destination: &o.boot.removeState, Usage: "also remove the state directory next to the repository"},
	}, o.RepoFlags()...)
}

var bootRules = tool.Rules{{If: "insecure", Not: "require-verity"},
	{If: "require-signature", Needs: []string{"trust-cert"}}, {If: "trust-cert", Needs: []string{"require-signature"}}}

// checkBoot refuses what is wrong before anything is looked at.
func (o *options) checkBoot() error {
	b := &o.boot
	if err := o.Check(bootRules); err != nil {
		return err
	}
	if b.tries < 0 || b.tries > maxTries || o.Given("tries") && b.tries == 0 {
		return tool.UsageError("--tries %d: want a number from 1 to %d", b.tries, maxTries)
	}
	if o.Given("entry-id") {
		if err := bootloader.CheckID(b.id); err != nil {
			return tool.UsageError("--entry-id: %w", err)
		}
	}
	for _, arg := range b.cmdline.Value() {
		if err := boot.CheckArgument(arg); err != nil {
			return tool.UsageError("--cmdline %q %w", arg, err)
		}
	}
	return nil
}

// bootInstall installs the boot entry of an image.
func (o *options) bootInstall() error {
	if err := o.checkBoot(); err != nil {
		return err
	}
	open := o.OpenToWrite
	if o.boot.dryRun {
		open = o.openToRead
	}
	return o.withRepo(1, 1, open, func(r *repo.Repo) error {
		return o.withFolder(r, func(t bootloader.Target) error {
			b := &o.boot
			insecure := b.insecure || !r.Secure && !b.requireVerity
			plan, err := bootloader.Install{
				Target: t, Operand: o.Operands[0], ID: b.id, Entry: b.entry, Args: b.cmdline.Value(),
				Insecure: insecure, Tries: b.tries, SharedVar: b.sharedVar,
			}.Plan()
			switch {
			case errors.Is(err, bootloader.ErrSealed):
				return tool.UsageError("--cmdline: %w", err)
			case errors.Is(err, bootloader.ErrNoBootImage):
				return tool.Hint(err, "to make one: %s", bootable.Make)
			case err != nil:
				return err
			}
			if err := o.checkSigned(r, plan.Result.Image); err != nil {
				return err
			}
			return o.runInstall(plan)
		})
	})
}

// checkSigned refuses a boot image that is not signed, if that is asked for.
func (o *options) checkSigned(r *repo.Repo, image verity.ID) error {
	if o.require.Value == "" {
		return nil
	}
	w, err := o.wanted()
	if err != nil {
		return err
	}
	w.Role = seal.Bootable
	found, err := lookup.Container(r, o.Operands[0])
	if err != nil {
		return err
	}
	stored, err := signed.Stored(r, found)
	if err != nil {
		return err
	}
	list, warnings, err := stored.Verify(r, w)
	o.warnAll(warnings)
	if err != nil {
		return unsignedHint(err)
	}
	for _, s := range list {
		if s.Role == w.Role && s.State == seal.Verified && s.ID == image {
			return nil
		}
	}
	return missing.Errorf("boot image %s is not the one of format 1, which is signed", image)
}

func (o *options) runInstall(p *bootloader.Plan) error {
	if o.boot.dryRun {
		actions, _, err := p.Prepare()
		return errors.Join(printActions(actions), err)
	}
	if err := o.warnOfPlace(p); err != nil {
		return err
	}
	if err := p.Run(); err != nil {
		return err
	}
	return o.Records().Write(recordOf(p.Result).Record())
}

// warnOfPlace warns of a folder whose entries have other paths than a boot loader sees.
func (o *options) warnOfPlace(p *bootloader.Plan) error {
	mounted, err := p.Folder.IsMountPoint()
	if err == nil && !mounted && o.boot.state != noState {
		o.Warn("warning: %s is not a mount point: paths in entries are relative to it, as if it were a partition", p.Folder.Path)
	}
	return err
}

func printActions(actions []bootloader.Action) error {
	for _, a := range actions {
		if _, err := fmt.Println(a); err != nil {
			return err
		}
	}
	return nil
}

// withFolder opens the boot directory.
func (o *options) withFolder(r *repo.Repo, do func(bootloader.Target) error) error {
	folder, err := esp.Open(o.boot.dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	state, err := o.statePath(r)
	if err != nil {
		return err
	}
	warn := func(err error) { o.Warn("warning: %s", terminal.Line(err.Error())) }
	return do(bootloader.Target{Repo: r, Folder: folder, Lock: o.Lock(true), State: state, Warn: warn})
}

// noState is the value of --state for no folder.
const noState = "none"

// statePath returns the folder of the state, "" for none.
func (o *options) statePath(r *repo.Repo) (string, error) {
	beside := filepath.Join(filepath.Dir(filepath.Clean(r.Path)), "state")
	switch {
	case o.boot.state == noState:
		return "", nil
	case o.boot.state != "":
		return o.boot.state, nil
	case o.boot.removeState:
		return beside, nil
	}
	system, err := tool.IsSystemRepo(r.Path)
	if err != nil || !system {
		return "", err
	}
	return beside, nil
}

func recordOf(i bootloader.Installed) pull.BootEntry {
	return pull.BootEntry{
		Image: i.Image, Name: i.Name, Manifest: i.Manifest, ID: i.ID, Kind: string(i.Kind), Entry: i.Path,
		Counter: i.Counter, Booted: i.Booted, Problem: strings.Join(i.Problems, "; "),
	}
}

// bootList lists the boot entries that name images.
func (o *options) bootList() error {
	return o.withRepo(0, 0, o.openToRead, func(r *repo.Repo) error {
		return o.withFolder(r, func(t bootloader.Target) error {
			list, scan, err := bootloader.List(r, t.Folder)
			if scan == nil {
				return err
			}
			found := len(scan.Broken) > 0
			for _, odd := range append(scan.Warnings, scan.Broken...) {
				t.Warn(odd)
			}
			for _, i := range list {
				found = found || len(i.Problems) > 0
			}
			switch printErr := o.printEntries(list); {
			case err != nil || printErr != nil:
				return errors.Join(err, printErr)
			case found && o.boot.check:
				return tool.Silent(tool.Corrupt)
			}
			return nil
		})
	})
}

func (o *options) printEntries(list []bootloader.Installed) error {
	if terminal.Is(os.Stdout) && !o.JSON {
		return printTable(list)
	}
	out := o.Records()
	for _, i := range list {
		if err := out.Write(recordOf(i).Record()); err != nil {
			return err
		}
	}
	return nil
}

func printTable(list []bootloader.Installed) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTRIES\tKIND\tIMAGE\tTAG\tBOOTED\tPROBLEM")
	for _, i := range list {
		booted := ""
		if i.Booted {
			booted = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", terminal.Name(i.ID), i.Counter, i.Kind, survey.ShortDigest(i.Image.String()),
			terminal.Name(i.Name), booted, terminal.Line(strings.Join(i.Problems, "; ")))
	}
	return w.Flush()
}

// bootRemove removes boot entries, one after the other.
func (o *options) bootRemove() error {
	for _, id := range o.Operands {
		if err := bootloader.CheckID(id); err != nil {
			return tool.UsageError("%w", err)
		}
	}
	open := o.OpenToWrite
	if o.boot.dryRun {
		open = o.openToRead
	}
	return o.withRepo(1, many, open, func(r *repo.Repo) error {
		return o.eachRemoval(r, func(m bootloader.Remove) error {
			if !o.boot.dryRun {
				return m.Run()
			}
			actions, err := m.Prepare()
			return errors.Join(printActions(actions), err)
		})
	})
}

func (o *options) eachRemoval(r *repo.Repo, do func(bootloader.Remove) error) error {
	for _, id := range o.Operands {
		err := o.withFolder(r, func(t bootloader.Target) error {
			if !o.boot.removeState {
				t.State = ""
			}
			return do(bootloader.Remove{Target: t, ID: id, Force: o.boot.force})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
