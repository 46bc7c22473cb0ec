package build

import (
	"cmp"
	"io"

	"cfs/lib/dumpfile"
	"cfs/lib/erofs"
	"cfs/lib/repo"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Input reads what an image is made of. The hash of the image is the one that is asked for,
// else that of the repository, if one is used, else that of the digests in the tree, else
// SHA-512. The format is the one that is asked for, else that of the image that is read, else
// the default one of the repository, else 1.
type Input struct {
	Repo      *repo.Repo       // nil if none is used
	Algorithm verity.Algorithm // the hash that is asked for, which must be that of Repo; 0: none is
	Formats   []variant.Format // the format that is asked for; empty: none is
	Auto      bool             // the format that mkcomposefs chooses is asked for
	Rules     *tolerance.Rules // what is tolerated of containers and directories
}

// Dumpfile reads a dumpfile. What an image of the format cannot hold is refused. compat
// accepts dumpfiles that only mkcomposefs accepts.
func (i Input) Dumpfile(in io.Reader, compat bool) (*Recipe, error) {
	format := i.format()
	layout := dumpfile.E1
	if format == variant.V2 {
		layout = dumpfile.E2
	}
	root, err := dumpfile.Read(in, dumpfile.Options{Compat: compat, Layout: layout})
	if err != nil {
		return nil, err
	}
	return i.recipe(root, format), nil
}

// Directory reads a directory. The content of its files is stored in the repository, if one
// is used, or in the directory's DigestStore; it is durable when Directory returns. The error
// is temporary if something changed meanwhile.
func (i Input) Directory(d Directory) (*Recipe, error) {
	root, err := d.read(i)
	if err != nil {
		return nil, err
	}
	x := i.recipe(root, i.format())
	x.UnsignedTimes = !d.AsIs
	x.Stored = i.Repo != nil
	return x, nil
}

// EROFS reads another image.
func (i Input) EROFS(image *erofs.Reader) (*Recipe, error) {
	root, err := image.Tree()
	if err != nil {
		return nil, err
	}
	format := image.Format()
	if len(i.Formats) > 0 {
		format = i.Formats[0]
	}
	return i.recipe(root, format), nil
}

// format returns the format of what has none itself, as far as that is known before it is
// read. Those that mkcomposefs chooses from have the limits of format 1.
func (i Input) format() variant.Format {
	switch {
	case len(i.Formats) > 0:
		return i.Formats[0]
	case i.Auto || i.Repo == nil:
		return variant.V1
	}
	return i.Repo.Formats[0]
}

// recipe returns the recipe of a tree.
func (i Input) recipe(root *tree.Inode, f variant.Format) *Recipe {
	if i.Auto {
		f = erofs.Auto(root)
	}
	return &Recipe{Root: root, Algorithm: cmp.Or(i.algorithm(), algorithmOf(root)), Format: f}
}

// algorithm returns the hash that is known before anything is read, 0 if none is.
func (i Input) algorithm() verity.Algorithm {
	if i.Repo != nil {
		return i.Repo.Algorithm
	}
	return i.Algorithm
}

// algorithmOf returns the hash of the digests in a tree, SHA-512 if it has none.
func algorithmOf(root *tree.Inode) verity.Algorithm {
	for _, n := range tree.Walk(root) {
		if !n.Object.IsZero() {
			return n.Object.Algorithm()
		}
	}
	return verity.SHA512
}
