package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"cfs/lib/blob"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/tool"
)

// one imports the tar that the operand names.
func one(c *cli.Context) error {
	r, err := open(c)
	if err != nil {
		return err
	}
	defer r.Close()
	src := oci.Source{Size: -1, DiffID: digest.Digest(c.String("diff-id"))}
	if src.DiffID != "" && src.DiffID.Validate() != nil {
		return tool.UsageError("--diff-id %q is no digest", src.DiffID)
	}
	name := c.Args().First()
	in := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	done, err := importSniffed(c.Context, r, in, src)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	tool.Progress(c, event("layer", done))
	k := newCommitter(r, tool.Records(c))
	k.begin()
	k.add(stored{rec: fillIn(record.Record{Kind: "layer"}, done), key: oci.Key(done.DiffID), stream: done.Stream, fresh: true})
	return k.wait()
}

// importSniffed imports a layer whose bytes tell how it is compressed.
func importSniffed(ctx context.Context, r *repo.Repo, in io.Reader, src oci.Source) (oci.Imported, error) {
	compression, in, err := blob.Sniff(in)
	if err != nil {
		return oci.Imported{}, err
	}
	return oci.ImportLayer(ctx, r, in, compression, src)
}
