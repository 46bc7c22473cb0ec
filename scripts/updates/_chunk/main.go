// Command chunk compresses a tar from stdin in the form zstd:chunked to the file that it is given,
// as podman and buildah do, and writes the annotations of the layer as JSON to stdout.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"go.podman.io/storage/pkg/chunked/compressor"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "chunk:", err)
		os.Exit(1)
	}
}

func run(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	annotations, level := map[string]string{}, 3
	w, err := compressor.ZstdCompressor(f, annotations, &level)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, os.Stdin)
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(annotations)
}
