package main

import (
	"context"
	"os"

	"cfs/lib/tool"
)

// cat writes one blob.
func (o *options) cat() error {
	if len(o.Operands) != 2 {
		return tool.UsageError("want SOURCE and DIGEST")
	}
	ctx := context.Background()
	origin, err := o.open(ctx, nil, nil)
	if err != nil {
		return err
	}
	defer origin.Close()
	d, err := origin.Find(o.Operands[1])
	if err != nil {
		return err
	}
	return explain(origin.Copy(ctx, os.Stdout, d))
}
