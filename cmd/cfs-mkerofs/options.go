package main

import (
	"cmp"
	"slices"

	"github.com/urfave/cli/v2"

	"cfs/lib/build"
	"cfs/lib/oci"
	"cfs/lib/tolerance"
	"cfs/lib/tool"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// options are what the command line says.
type options struct {
	requireVerity bool // of karg
	checkSeal     bool // of boot-entries
	tool.Options

	dumpfile, oci, image, output, ref  string
	compat, ifChanged, insecure, store bool
	stat, long                         bool // of diff and ls
	rules                              tolerance.Rules
	tree                               build.Directory // without a Path, there is none
	wanted                             build.Wanted
	names                              cli.StringSlice // of --filter
	hash, version, xattrs, expected    string          // read by parse
	algorithm                          verity.Algorithm
	formats                            []variant.Format // the one that was asked for, if any
}

// autoVersion is the word for the format that mkcomposefs takes by itself.
const autoVersion = "auto"

// maxThreads is far beyond what any disk has use for; each takes 64 KiB at least.
const maxThreads = 1024

// flags are the options of the stage, and of one image.
func (o *options) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "dumpfile", Destination: &o.dumpfile, Aliases: []string{"from-file"}, Usage: "build the image of a dumpfile, `FILE` or - for stdin"},
		&cli.StringFlag{Name: "oci", Destination: &o.oci, Usage: "build the image of the container image `NAME|DIGEST`"},
		&cli.StringFlag{Name: "image", Destination: &o.image, Usage: "rebuild the image `IMAGE`, in its format"},
		&cli.StringFlag{Name: "tree", Destination: &o.tree.Path, Usage: "build the image of the directory `DIR`"},
		&cli.BoolFlag{Name: "compat", Destination: &o.compat, Usage: "with --dumpfile: accept what only mkcomposefs accepts"},
		&cli.StringFlag{Name: "output", Destination: &o.output, Aliases: []string{"o"}, Usage: "write the image to `FILE`, or - for stdout"},
		&cli.BoolFlag{Name: "if-changed", Destination: &o.ifChanged, Usage: "with --output: do not touch a file that already contains the image"},
		&cli.BoolFlag{Name: "store", Destination: &o.store, Usage: "store the image in the repository"},
		&cli.StringFlag{Name: "ref", Destination: &o.ref, Usage: "with --store: as images/refs/`NAME`"},
		&cli.StringFlag{Name: "hash", Destination: &o.hash, Usage: "use fs-verity digests of the hash `HASH`, sha256 or sha512"},
		&cli.StringFlag{Name: "erofs-version", Destination: &o.version, Usage: "the format: `V` is 0, 1, 2 or auto"},
		&cli.StringFlag{Name: "xattrs", Destination: &o.xattrs, Value: variant.AllowlistOnly.String(), Usage: "for container images and trees: keep the xattrs of `MODE`: allowlist-only or keep-user-xattrs"},
		&cli.BoolFlag{Name: "strict", Destination: &o.rules.Strict, Usage: "refuse images that cfsctl refuses, or reads otherwise"},
		&cli.IntFlag{Name: "max-implied-dirs", Destination: &o.rules.MaxImplied, DefaultText: "250000", Usage: "refuse container images with more than `N` directories that have no entry"},
		&cli.BoolFlag{Name: "bootable", Destination: &o.wanted.Bootable, Usage: "build the boot image: in the pipe in addition to the plain image, with --oci or --tree instead of it"},
		&cli.StringFlag{Name: "expected-digest", Destination: &o.expected, Usage: "with --bootable: find the xattrs and the format by which the boot image has this `DIGEST`"},
		&cli.BoolFlag{Name: "no-propagate-usr-to-root", Destination: &o.tree.AsIs, Usage: "with --tree: use the tree as it is, not in the canonical form of container images"},
		&cli.StringFlag{Name: "digest-store", Destination: &o.tree.DigestStore, Usage: "with --tree: copy the content of files as objects into `DIR`"},
		&cli.BoolFlag{Name: "use-epoch", Destination: &o.tree.Epoch, Usage: "with --tree: set all times to 0"},
		&cli.BoolFlag{Name: "skip-devices", Destination: &o.tree.SkipDevices, Usage: "with --tree: omit devices"},
		&cli.BoolFlag{Name: "skip-xattrs", Destination: &o.tree.SkipXattrs, Usage: "with --tree: omit xattrs"},
		&cli.BoolFlag{Name: "user-xattrs", Destination: &o.tree.UserXattrs, Usage: "with --tree: omit all xattrs except user.*"},
		&cli.BoolFlag{Name: "no-hardlinks", Destination: &o.tree.SplitLinks, Usage: "with --tree: store each hard link as a file of its own, as mkcomposefs does"},
		&cli.IntFlag{Name: "threads", Destination: &o.tree.Threads, DefaultText: "number of CPUs", Usage: "with --tree: read `N` files at once"},
	}
}

// inputs are the options of which one makes one image, and none a stage of the pipe.
var inputs = []string{"dumpfile", "tree", "oci", "image"}

// treeRules and bootRules hold for both.
var (
	treeRules = goWith([]string{"tree"}, "no-propagate-usr-to-root", "digest-store", "use-epoch", "skip-devices", "skip-xattrs", "user-xattrs", "no-hardlinks", "threads")
	bootRules = tool.Rules{
		{If: "expected-digest", Needs: []string{"bootable"}},
		{If: "expected-digest", Not: "tree", Say: "--expected-digest is for container images, not for --tree"},
		{If: "expected-digest", Not: "xattrs", Say: "--expected-digest determines --xattrs: they are mutually exclusive"},
	}
	stageRules = slices.Concat(goWith(inputs, "compat", "output", "if-changed", "store", "ref", "hash"), treeRules, bootRules)
	imageRules = slices.Concat(tool.Rules{
		{If: "ref", Needs: []string{"store"}},
		{If: "store", Not: "output"},
		{If: "if-changed", Needs: []string{"output"}, Say: "--if-changed requires --output FILE"},
		{If: "max-implied-dirs", Needs: []string{"oci"}},
	}, treeRules, tool.Rules{
		{If: "tree", Not: "compat"},
		{If: "skip-xattrs", Not: "user-xattrs"},
		{If: "store", Not: "digest-store"},
		{If: "no-propagate-usr-to-root", Not: "xattrs"},
		{If: "bootable", Needs: []string{"oci", "tree"}, Say: "--bootable requires --oci or --tree, or records on stdin"},
		{If: "expected-digest", Not: "erofs-version", Say: "--expected-digest determines --erofs-version: they are mutually exclusive"},
	}, bootRules)
)

// goWith returns the rules that each option goes with one of others.
func goWith(others []string, options ...string) (rules tool.Rules) {
	for _, name := range options {
		rules = append(rules, tool.Rule{If: name, Needs: others})
	}
	return rules
}

// checkImage reads the options of one image.
func (o *options) checkImage() error {
	if err := o.Check(imageRules); err != nil {
		return err
	}
	if o.ref != "" {
		if err := oci.CheckImageRef(o.ref); err != nil {
			return tool.UsageError("%w", err)
		}
	}
	if o.ifChanged && o.output == "-" {
		return tool.UsageError("--if-changed requires --output FILE")
	}
	if n := o.tree.Threads; o.Given("threads") && (n < 1 || n > maxThreads) {
		return tool.UsageError("--threads %d: want 1 to %d", n, maxThreads)
	}
	if o.dumpfile != "" || o.image != "" {
		o.xattrs = "" // it means nothing there
	}
	return o.parse(true)
}

// checkStage reads the options of the stage.
func (o *options) checkStage() error {
	if len(o.Operands) > 0 {
		return o.Unexpected()
	}
	if err := cmp.Or(o.Check(stageRules), o.parse(false)); err != nil {
		return err
	}
	if mode := o.wanted.Xattrs; mode != variant.AllowlistOnly && !o.wanted.Bootable {
		return tool.UsageError("--xattrs %s requires --bootable: the plain image of a container image has the default mode", mode)
	}
	return nil
}

// parse reads the words of options. auto says whether the tree may decide on the format.
func (o *options) parse(auto bool) error {
	if n := o.rules.MaxImplied; o.Given("max-implied-dirs") && n < 1 {
		return tool.UsageError("--max-implied-dirs %d: want a positive number", n)
	}
	err := cmp.Or(
		tool.Parse("hash", o.hash, verity.ParseAlgorithm, &o.algorithm),
		tool.Parse("xattrs", o.xattrs, variant.ParseXattrMode, &o.wanted.Xattrs),
		tool.Parse("expected-digest", o.expected, verity.ParseID, &o.wanted.Expected),
	)
	if err != nil || o.version == "" || auto && o.version == autoVersion {
		return err
	}
	o.formats = make([]variant.Format, 1)
	if o.formats[0], err = variant.ParseFormat(o.version); err != nil && auto {
		return tool.UsageError("--erofs-version %q: want 0, 1, 2 or auto", o.version)
	} else if err != nil {
		return tool.UsageError("--erofs-version %w", err)
	}
	return nil
}
