// Mkdump writes the dumpfile of a made-up file system, for measurements: the same
// bytes each time.
//
//	go run ./testdata/mkdump [ENTRIES] > FILE
//
// Of the entries, 1,000,000 by default, a fifth are directories, up to 20 in each.
// The others are files, 4 in each directory, with objects of their own. Each entry
// has one of some hundred SELinux labels.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
)

const (
	perDir  = 5  // entries for each directory: itself and its files
	subdirs = 20 // in a directory
	labels  = 100
)

func main() {
	entries := 1_000_000
	var err error
	if len(os.Args) > 1 {
		entries, err = strconv.Atoi(os.Args[1])
	}
	if err != nil || len(os.Args) > 2 || entries < perDir {
		fmt.Fprintln(os.Stderr, "usage: mkdump [ENTRIES]")
		os.Exit(2)
	}
	if err := write(os.Stdout, entries/perDir); err != nil {
		fmt.Fprintln(os.Stderr, "mkdump:", err)
		os.Exit(1)
	}
}

// write writes the dumpfile of so many directories with their files.
func write(w io.Writer, dirs int) error {
	g := generator{bufio.NewWriterSize(w, 1<<20), dirs}
	g.dir(0, "")
	return g.out.Flush()
}

// generator numbers the directories breadth first, the root 0. Errors stay in out.
type generator struct {
	out  *bufio.Writer
	dirs int
}

// dir writes directory i, whose path is "" for the root, and all that is below it.
func (g *generator) dir(i int, path string) {
	first := min(i*subdirs+1, g.dirs)
	end := min(first+subdirs, g.dirs)
	name := path
	if i == 0 {
		name = "/"
	}
	fmt.Fprintf(g.out, "%s 0 40755 %d 0 0 0 %d.0 - - - %s\n", name, 2+end-first, seconds(i), label(i))
	for sub := first; sub < end; sub++ {
		g.dir(sub, fmt.Sprintf("%s/dir-%06d", path, sub))
	}
	for k := range perDir - 1 {
		g.file(i*(perDir-1)+k, path)
	}
}

// file writes file number i, which is in directory path.
func (g *generator) file(i int, path string) {
	digest := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	fmt.Fprintf(g.out, "%s/file-%06d.so %d 100644 1 0 0 0 %d.0 %02x/%x - %x %s\n",
		path, i, 65+i*4099%1_000_000, seconds(i), digest[:1], digest[1:], digest, label(i))
}

// seconds returns a time of the year 2024.
func seconds(i int) int { return 1704067200 + i*7919%31_536_000 }

func label(i int) string {
	return fmt.Sprintf(`security.selinux=system_u:object_r:made_up_%d_t:s0\x00`, i%labels)
}
