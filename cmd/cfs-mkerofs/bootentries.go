package main

import (
	"bufio"
	"os"

	"github.com/urfave/cli/v2"

	"cfs/lib/boot"
	"cfs/lib/bootable"
	"cfs/lib/tool"
)

const bootEntriesHelp = "The entries are those of the Boot Loader Specification, unified kernel images (UKIs) and add-ons\n" +
	"to them, and kernels below /usr/lib/modules. Of an image that is named on a kernel command line\n" +
	"it is said whether it is the boot image of NAME; if not, which command explains why."

func (o *options) bootEntriesFlags() []cli.Flag {
	return []cli.Flag{&cli.BoolFlag{Name: "check", Destination: &o.checkSeal, Usage: "exit with status 4 if a unified kernel image does not name the boot image"}, &cli.BoolFlag{Name: "json", Destination: &o.JSON, Usage: "write the entries as JSON objects, one a line"}}
}

// bootEntries lists what can be booted in a container image.
func (o *options) bootEntries() error {
	if len(o.Operands) != 1 {
		return tool.UsageError("want one NAME")
	}
	r, err := o.OpenRepo(false)
	if err != nil {
		return err
	}
	defer r.Close()
	out := bufio.NewWriter(os.Stdout)
	sealed := true
	for e, err := range (bootable.Lister{Repo: r, RepoOption: o.RepoOption()}).Entries(o.Operands[0]) {
		switch {
		case err != nil:
		case o.JSON:
			err = e.WriteJSON(out)
		default:
			_, err = out.WriteString(e.String())
		}
		if err != nil {
			return err
		}
		sealed = sealed && (e.Kind != string(boot.KindUKI) || e.BootImage != "")
	}
	err = out.Flush()
	if err == nil && o.checkSeal && !sealed {
		return tool.Silent(tool.Corrupt)
	}
	return err
}
