package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tolerance"
	"cfs/lib/tool"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// job is one image that is to be made.
type job struct {
	c        *cli.Context
	repo     *repo.Repo // nil if none is needed
	root     *tree.Inode
	image    *erofs.Reader // of --image
	write    func(io.Writer, *tree.Inode, variant.Format) error
	alg      verity.Algorithm
	version  variant.Format
	there    bool             // the repository has all objects of the tree
	expected verity.ID        // of the boot image, if one is
	found    *variant.Variant // by which recipe it has that
}

// one makes the image of a dumpfile, a directory or a container image.
func one(c *cli.Context) error {
	j := &job{c: c, write: erofs.Write}
	switch {
	case c.IsSet("ref") && !c.Bool("store"):
		return tool.UsageError("--ref goes with --store")
	case c.IsSet("output") && c.Bool("store"):
		return tool.UsageError("--store and --output exclude each other")
	}
	if c.Bool("if-changed") && (c.Bool("store") || c.String("output") == "" || c.String("output") == "-") {
		return tool.UsageError("--if-changed goes with --output FILE")
	}
	if err := errors.Join(checkTree(c), j.checkBoot()); err != nil {
		return err
	}
	if c.Bool("store") || c.IsSet("oci") {
		var err error
		if j.repo, err = tool.OpenRepo(c, false); err != nil {
			return err
		}
		defer j.repo.Close()
	}
	read := j.readDumpfile
	switch {
	case c.IsSet("tree"):
		read = j.readTree
	case c.IsSet("oci"):
		read = j.readImage
	case c.IsSet("image"):
		read = j.readEROFS
	}
	if err := errors.Join(read(), j.choose()); err != nil {
		return err
	}
	if c.Bool("store") {
		return j.store()
	}
	return j.output()
}

func (j *job) readDumpfile() error {
	name := j.c.String("dumpfile")
	in := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	o := dumpfile.Options{Compat: j.c.Bool("compat"), Layout: dumpfile.E1}
	if j.c.String("erofs-version") == "2" || j.c.String("erofs-version") == "" && j.repo != nil && j.repo.Formats[0] == 2 {
		o.Layout = dumpfile.E2
	}
	var err error
	if j.root, err = dumpfile.Read(in, o); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (j *job) readImage() error {
	mode, err := variant.ParseXattrMode(j.c.String("xattrs"))
	if err != nil {
		return tool.UsageError("--xattrs: %w", err)
	}
	image, err := oci.FindContainer(j.repo, j.c.String("oci"))
	if err != nil {
		return err
	}
	if j.c.Bool("strict") {
		if err := refuseDocker(image.Manifest.Manifest); err != nil {
			return err
		}
	}
	j.write = erofs.WriteUnsignedTimes
	build := func(mode variant.XattrMode) (*tree.Inode, error) {
		return oci.Tree(j.repo, image.Keys, image.Stream, mode, tolerance.Strict(j.c.Bool("strict")))
	}
	if !j.expected.IsZero() {
		return j.readExpected(build)
	}
	if j.root, err = build(mode); err != nil || !j.c.Bool("bootable") {
		return err
	}
	if err := bootVariant(j.repo, j.root); err != nil {
		return bootError(j.c.String("oci"), err)
	}
	return nil
}

// checkBoot refuses options about the boot variant where it has no meaning.
func (j *job) checkBoot() (err error) {
	if j.c.Bool("bootable") && !j.c.IsSet("oci") && !j.c.IsSet("tree") {
		return tool.UsageError("--bootable goes with --oci or --tree, or stands in the pipe")
	}
	if j.c.IsSet("expected-digest") && j.c.IsSet("erofs-version") {
		return tool.UsageError("--expected-digest finds out what --erofs-version must be: they exclude each other")
	}
	j.expected, err = checkBoot(j.c)
	return err
}

// readExpected finds the tree and the format of the boot image that is expected. It
// is made in any case, so no image that is there already will do.
func (j *job) readExpected(build func(variant.XattrMode) (*tree.Inode, error)) error {
	s := search{repo: j.repo, expected: j.expected, tree: build}
	v, root, err := s.run()
	if err != nil {
		return bootError(j.c.String("oci"), err)
	}
	s.say(j.c, v)
	j.root, j.found = root, &v
	return nil
}

// readEROFS reads the tree of another image.
func (j *job) readEROFS() (err error) {
	if j.image, err = openNamed(j.c, j.c.String("image")); err != nil {
		return err
	}
	j.root, err = j.image.Tree()
	return err
}

// choose finds hash and format: what was asked for, else what the repository has,
// else what the digests in the tree are by.
func (j *job) choose() error {
	if j.root == nil {
		return nil
	}
	if err := j.chooseHash(algorithmOf(j.root)); err != nil {
		return err
	}
	j.version = variant.V1
	switch {
	case j.image != nil:
		j.version = j.image.Format()
	case j.repo != nil:
		j.version = j.repo.Formats[0]
	}
	switch s := j.c.String("erofs-version"); s {
	case "":
		if j.found != nil {
			j.version = j.found.Format
		}
	case "auto":
		j.version = erofs.Auto(j.root)
	default:
		v, err := variant.ParseFormat(s)
		if err != nil {
			return tool.UsageError("--erofs-version %q: want 0, 1, 2 or auto", s)
		}
		j.version = v
	}
	return nil
}

// chooseHash is the part of choose that has no need of the tree but for the default.
func (j *job) chooseHash(byDefault verity.Algorithm) error {
	j.alg = byDefault
	if j.repo != nil {
		j.alg = j.repo.Algorithm
	}
	if s := j.c.String("hash"); s != "" {
		alg, err := verity.ParseAlgorithm(s)
		if err != nil {
			return tool.UsageError("--hash: %w", err)
		}
		if j.repo != nil && alg != j.alg {
			return tool.UsageError("--hash %s: the repository is of %s", s, j.alg)
		}
		j.alg = alg
	}
	return nil
}

// algorithmOf returns what the tree's digests are by, SHA-512 if it has none.
func algorithmOf(root *tree.Inode) verity.Algorithm {
	for _, n := range tree.Walk(root) {
		if !n.Object.IsZero() {
			return n.Object.Algorithm()
		}
	}
	return verity.SHA512
}

// store stores the image, if all objects that it needs are there.
func (j *job) store() error {
	if err := j.repo.Writable(); err != nil {
		return err
	}
	for path, n := range tree.Walk(j.root) {
		if !n.Object.IsZero() && !j.there {
			if _, err := j.repo.Objects.Size(n.Object); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	id, err := oci.StoreEROFS(j.repo, func(w io.Writer) error { return j.write(w, j.root, j.version) })
	if err != nil {
		return err
	}
	if ref := j.c.String("ref"); ref != "" {
		if err := oci.NameImage(j.repo, ref, id); err != nil {
			return err
		}
	}
	_, err = fmt.Println(id)
	return err
}

// output writes the image where it is wanted, and prints its digest.
func (j *job) output() error {
	hash := j.alg.New()
	name := j.c.String("output")
	var err error
	switch name {
	case "":
		err = j.write(hash, j.root, j.version)
	case "-":
		return j.write(os.Stdout, j.root, j.version)
	default:
		err = writeFile(name, j.c.Bool("if-changed"), func(w io.Writer) error {
			hash.Reset()
			return j.write(io.MultiWriter(w, hash), j.root, j.version)
		})
	}
	if err != nil {
		return err
	}
	_, err = fmt.Println(hash.ID())
	return err
}
