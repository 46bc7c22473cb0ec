package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
	"cfs/lib/verity"
)

func measureFlags() []cli.Flag {
	return []cli.Flag{&cli.StringFlag{Name: "hash", Value: verity.SHA512.Name(), Usage: "take digests by `HASH`, sha256 or sha512"}}
}

// measureFiles prints the fs-verity digest of each file, whether the file system has
// fs-verity or not.
func measureFiles(c *cli.Context) error {
	if c.NArg() == 0 {
		return tool.UsageError("want a FILE or more")
	}
	alg, err := verity.ParseAlgorithm(c.String("hash"))
	if err != nil {
		return tool.UsageError("--hash: %w", err)
	}
	for _, name := range c.Args().Slice() {
		id, err := measureFile(name, alg)
		if err != nil {
			return err
		}
		if _, err := fmt.Println(id); err != nil {
			return err
		}
	}
	return nil
}

func measureFile(name string, alg verity.Algorithm) (verity.ID, error) {
	f, err := os.Open(name)
	if err != nil {
		return verity.ID{}, err
	}
	defer f.Close()
	id, _, err := alg.SumReader(f)
	return id, err
}
