// Gen writes the images of package wild, to try other tools on them.
//
//	go run ./testdata/wild/gen DIR
//
// Each case is a folder: layout is an OCI image layout (or archive.tar one of docker save)
// whose image has the case's name as its tag, and expected.txt is what a mount must show,
// or "refuse STATUS". The same version of Go writes the same bytes each time.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cfs/testdata/wild"
)

func main() {
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: gen DIR")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	for _, c := range wild.Cases() {
		to := filepath.Join(dir, c.Name)
		if err := c.Write(to); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, "expected.txt"), []byte(c.Expected()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
