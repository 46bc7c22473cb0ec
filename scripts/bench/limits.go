package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"cfs/lib/blob"
	"cfs/lib/verity"
)

// limit is a contestant that does one thing alone, on one processor, as fast as we can: what
// no tool does with less work. It is this program, started once more.
func (b *bench) limit(name string, largest bool, operands ...string) contestant {
	title := name
	if largest {
		title += " of the largest layer"
	}
	return contestant{name: title, kind: kindLimit, largest: largest,
		command: command{code: `"$@"`, operands: append([]string{b.self, "limit", name}, operands...)}}
}

// pullLimits are those of a first pull: layers are inflated, blobs and tars hashed, files
// hashed, and written.
func (b *bench) pullLimits(name string, s shape, layout, compression string) ([]contestant, error) {
	dir, err := b.tree(name, s)
	if err != nil {
		return nil, err
	}
	tars, err := b.layout(name, s, "plain")
	if err != nil {
		return nil, err
	}
	hashed, err := blobs(layout)
	if err != nil {
		return nil, err
	}
	limits := []contestant{b.limit("verity", false, dir), b.limit("write", false, dir)}
	if compression != "plain" {
		largest := b.limit("inflate", true, hashed[0])
		limits = append(limits, b.limit("inflate", false, hashed...), largest)
		more, err := blobs(tars)
		if err != nil {
			return nil, err
		}
		hashed = append(hashed, more...)
	}
	return append(limits, b.limit("sha256", false, hashed...)), nil
}

// blobs lists the blobs of a layout, the largest first.
func blobs(layout string) (paths []string, err error) {
	paths, err = filepath.Glob(filepath.Join(layout, "blobs/sha256/*"))
	size := func(path string) int64 {
		info, e := os.Stat(path)
		if e != nil {
			err = e
			return 0
		}
		return info.Size()
	}
	slices.SortFunc(paths, func(x, y string) int { return int(size(y) - size(x)) })
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s: no blobs: %w", layout, fs.ErrNotExist)
	}
	return paths, err
}

// limit is the program of a limit: its name and what it works on.
func limit(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("limit: want a name and files")
	}
	switch name := args[0]; name {
	case "inflate":
		return each(args[1:], inflate)
	case "sha256":
		return each(args[1:], func(f *os.File) error {
			_, err := io.CopyBuffer(sha256.New(), only{f}, make([]byte, 1<<20))
			return err
		})
	case "verity":
		return hashTree(args[1])
	case "write":
		return copyTree(args[1], "copy")
	default:
		return fmt.Errorf("no limit %q", name)
	}
}

// only hides that a file can do more than be read.
type only struct{ io.Reader }

func each(names []string, do func(*os.File) error) error {
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = do(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// inflate decompresses a blob. What is not compressed, as manifests, is read.
func inflate(f *os.File) error {
	c, in, err := blob.Sniff(f)
	if err != nil {
		return err
	}
	z, err := blob.Decompress(in, c)
	if err != nil {
		return err
	}
	defer z.Close()
	_, err = io.CopyBuffer(io.Discard, only{z}, make([]byte, 1<<20))
	return err
}

// hashTree computes the fs-verity digest of each file in a folder that is no longer inline,
// many at once.
func hashTree(dir string) error {
	var batch [][]byte
	size := 0
	flush := func() {
		verity.SHA512.SumAll(batch)
		batch, size = batch[:0], 0
	}
	err := files(dir, func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil || len(data) <= 64 {
			return err
		}
		batch, size = append(batch, data), size+len(data)
		if size > 1<<20 {
			flush()
		}
		return nil
	})
	flush()
	return err
}

// files calls do for each regular file in a folder.
func files(dir string, do func(path string) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = do(path)
		}
		return err
	})
}

// copyTree writes the files of a folder into 256 others, as objects are, and waits for the disk.
func copyTree(from, to string) error {
	for i := range 256 {
		if err := os.MkdirAll(filepath.Join(to, fmt.Sprintf("%02x", i)), 0o755); err != nil {
			return err
		}
	}
	n := 0
	err := files(from, func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil || len(data) <= 64 {
			return err
		}
		n++
		return os.WriteFile(filepath.Join(to, fmt.Sprintf("%02x/%08x", n%256, n)), data, 0o644)
	})
	if err != nil {
		return err
	}
	return syncFS(to)
}

// syncFS waits until the file system of a folder has all that was written.
func syncFS(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("syncfs %s: %w", dir, err)
	}
	return nil
}
