package main

import (
	"bufio"
	"errors"
	"io"

	"github.com/google/renameio/v2"
)

// writeFile makes a file that appears whole under its name, or not at all.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := renameio.NewPendingFile(name, renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return errors.Join(err, f.Cleanup())
	}
	if err := w.Flush(); err != nil {
		return errors.Join(err, f.Cleanup())
	}
	return f.CloseAtomicallyReplace()
}
