package main

import (
	"bytes"
	"errors"
	"io"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/boot"
	"cfs/lib/erofs"
	"cfs/lib/scan"
	"cfs/lib/tolerance"
	"cfs/lib/tool"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// maxThreads is far beyond what any disk has use for; each takes 64 KiB at least.
const maxThreads = 1024

// treeFlags are the options that go with --tree alone.
func treeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-propagate-usr-to-root", Usage: "with --tree: take the tree as it is, not in the canonical form of container images"},
		&cli.StringFlag{Name: "digest-store", Usage: "with --tree: copy the content of files as objects into `DIR`"},
		&cli.BoolFlag{Name: "use-epoch", Usage: "with --tree: make all times 0"},
		&cli.BoolFlag{Name: "skip-devices", Usage: "with --tree: leave out devices"},
		&cli.BoolFlag{Name: "skip-xattrs", Usage: "with --tree: leave out xattrs"},
		&cli.BoolFlag{Name: "user-xattrs", Usage: "with --tree: leave out xattrs but user.*"},
		&cli.BoolFlag{Name: "no-hardlinks", Usage: "with --tree: make a file of each name, as mkcomposefs does"},
		&cli.IntFlag{Name: "threads", DefaultText: "number of CPUs", Usage: "with --tree: read `N` files at once"},
	}
}

// onlyTree refuses options that mean nothing without --tree.
func onlyTree(c *cli.Context) error {
	for _, f := range treeFlags() {
		if name := f.Names()[0]; c.IsSet(name) {
			return tool.UsageError("--%s goes with --tree", name)
		}
	}
	return nil
}

// checkTree refuses options that do not go together.
func checkTree(c *cli.Context) error {
	if !c.IsSet("tree") {
		return onlyTree(c)
	}
	for _, pair := range [][2]string{
		{"tree", "compat"}, {"skip-xattrs", "user-xattrs"}, {"store", "digest-store"}, {"no-propagate-usr-to-root", "xattrs"},
	} {
		if c.IsSet(pair[0]) && c.IsSet(pair[1]) {
			return tool.UsageError("--%s and --%s exclude each other", pair[0], pair[1])
		}
	}
	if n := c.Int("threads"); c.IsSet("threads") && (n < 1 || n > maxThreads) {
		return tool.UsageError("--threads %d: want 1 to %d", n, maxThreads)
	}
	return nil
}

// readTree reads a directory, and stores what is in its files if that is wanted.
func (j *job) readTree() error {
	if err := j.chooseHash(verity.SHA512); err != nil {
		return err
	}
	debug.SetGCPercent(100) // this is no stage of a pipe, and a tree on disk is all small things
	o := scan.Options{
		SkipDevices: j.c.Bool("skip-devices"), Epoch: j.c.Bool("use-epoch"),
		SplitLinks: j.c.Bool("no-hardlinks"), Threads: j.c.Int("threads"),
	}
	var err error
	if o.Xattr, err = xattrFilter(j.c); err != nil {
		return err
	}
	done := func() error { return nil }
	switch store := j.c.String("digest-store"); {
	case j.repo != nil:
		o.Put, done, err = j.putIntoRepo()
	case store != "":
		o.Put, done, err = putIntoStore(store, j.alg)
	default:
		o.Put = scan.Sum(j.alg)
	}
	if err != nil {
		return err
	}
	root, err := scan.Scan(j.c.String("tree"), o)
	if err := errors.Join(err, done()); errors.Is(err, scan.ErrChanged) {
		return tool.Again("%w", err)
	} else if err != nil {
		return err
	}
	if !j.c.Bool("no-propagate-usr-to-root") {
		j.write = erofs.WriteUnsignedTimes
		root, err = tree.Canonicalize(root, false, tolerance.Strict(j.c.Bool("strict")))
	}
	if err == nil && j.c.Bool("bootable") {
		err = j.bootTree(root)
	}
	j.root = root
	return err
}

// bootTree turns the tree of a directory into its boot variant. What can be booted
// from it is not looked for, as the reference doesn't: the digest is all that is wanted.
func (j *job) bootTree(root *tree.Inode) error {
	name, paths := j.c.String("tree"), map[*tree.Inode]string{}
	for path, n := range tree.Walk(root) {
		if n.IsRegular() && strings.HasPrefix(path, "/etc/selinux/") {
			paths[n] = path
		}
	}
	err := boot.Transform(root, func(n *tree.Inode) (io.ReadCloser, error) {
		data, err := scan.ReadFile(name, paths[n], n, j.alg)
		return io.NopCloser(bytes.NewReader(data)), err
	})
	switch {
	case errors.Is(err, scan.ErrChanged):
		return tool.Again("%w", err)
	case err != nil:
		return bootError(name, err)
	}
	return nil
}

// xattrFilter returns which xattrs are taken by their names, nil for none.
func xattrFilter(c *cli.Context) (func(string) bool, error) {
	mode, err := variant.ParseXattrMode(c.String("xattrs"))
	if err != nil {
		return nil, tool.UsageError("--xattrs: %w", err)
	}
	if c.Bool("skip-xattrs") {
		return nil, nil
	}
	plain, user := c.Bool("no-propagate-usr-to-root"), c.Bool("user-xattrs")
	return func(name string) bool {
		return (plain || mode.Keeps(name)) && (!user || strings.HasPrefix(name, "user."))
	}, nil
}
