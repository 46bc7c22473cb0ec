package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
	"cfs/lib/verity"
)

func (o *options) measureFlags() []cli.Flag {
	return []cli.Flag{&cli.StringFlag{Name: "hash", Destination: &o.hash, Value: verity.SHA512.Name(), Usage: "use the hash `HASH`, sha256 or sha512"}}
}

// measure prints the fs-verity digest of each file, whether the file system has fs-verity
// or not.
func (o *options) measure() error {
	if len(o.Operands) == 0 {
		return tool.UsageError("want a FILE or more")
	}
	if err := o.parse(false); err != nil {
		return err
	}
	for _, name := range o.Operands {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		id, _, err := o.algorithm.SumReader(f)
		f.Close()
		if err == nil {
			_, err = fmt.Println(id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
