package main

import (
	"context"
	"os"

	"cfs/lib/tool"
)

// inspect writes the manifest or the config as it is: its digest is the image's.
func (o *options) inspect() error {
	if len(o.Operands) != 1 {
		return tool.UsageError("want one SOURCE")
	}
	origin, err := o.open(context.Background(), nil, nil)
	if err != nil {
		return err
	}
	defer origin.Close()
	text := origin.ManifestJSON
	if o.config {
		text = origin.ConfigJSON
	}
	_, err = os.Stdout.Write(text)
	return err
}
