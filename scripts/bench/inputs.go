package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
)

// shape returns an image by its name.
func (b *bench) shape(name string) shape {
	switch name {
	case "tiny":
		return split(b.scaled(500_000), tiny, 2, 55, 25, 15, 5)
	case "huge":
		return split(4, sized(b.scaled(256<<20)), 3, 50, 25, 25)
	case "slow": // one layer is 80 percent of it
		return split(b.scaled(15_000), system, 4, 10, 80, 10)
	}
	return split(b.scaled(30_000), system, 1, 55, 25, 15, 5)
}

// scaled is a number at the scale of this run.
func (b *bench) scaled(n int) int { return max(4, int(float64(n)*b.options.scale)) }

// input makes an input if it is not there from an earlier run, and returns its path. Only
// what is complete gets its name.
func (b *bench) input(name string, write func(path string) error) (string, error) {
	path := b.path(fmt.Sprintf("%s@%g", name, b.options.scale))
	_, err := os.Lstat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	fmt.Fprintf(b.stderr, "bench: makes %s\n", name)
	if err := os.RemoveAll(path + ".partial"); err != nil {
		return "", err
	}
	if err := write(path + ".partial"); err != nil {
		return "", fmt.Errorf("input %s: %w", name, err)
	}
	return path, os.Rename(path+".partial", path)
}

// layout returns the layout of an image.
func (b *bench) layout(name string, s shape, compression string) (string, error) {
	return b.input("layout-"+name+"-"+compression, func(path string) error { return layout(path).image(s, compression) })
}

// tree returns a folder with the files of an image.
func (b *bench) tree(name string, s shape) (string, error) {
	return b.input("tree-"+name, func(path string) error { return writeTree(path, s) })
}

// dump returns a dumpfile of so many entries.
func (b *bench) dump(entries int) (string, error) {
	return b.input(fmt.Sprintf("dump-%d", entries), func(path string) error {
		return b.sh("go run ./testdata/mkdump $2 >$1", path, fmt.Sprint(max(5, entries)))
	})
}

// repo returns a repository with an image in it, pulled by our tools: its tag is "bench".
func (b *bench) repo(name string, s shape) (string, error) {
	from, err := b.layout(name, s, "gzip")
	if err != nil {
		return "", err
	}
	return b.input("repo-"+name, func(path string) error {
		return b.sh(`cfs-pull --progress none --init --insecure --repo "$1" "oci:$2:latest" bench >&2`, path, from)
	})
}

// manyImages returns a repository of 50 images, of which half have lost their tags. Each has
// files of its own, and a layer that all share.
func (b *bench) manyImages() (string, error) {
	images := b.scaled(50)
	return b.input("repo-many", func(path string) error {
		for i := range images {
			if err := b.addImage(path, i); err != nil {
				return err
			}
		}
		for i := 0; i < images; i += 2 {
			if err := b.sh(`cfs-link untag --repo "$1" "$2" >&2`, path, fmt.Sprintf("image-%d", i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) addImage(repo string, i int) error {
	from := b.path("run", "layout")
	s := shape{[]part{{b.scaled(10_000), 100}, {b.scaled(1_200), uint64(101 + i)}}, small}
	err := errors.Join(os.RemoveAll(from), layout(from).image(s, "gzip"))
	if err != nil {
		return err
	}
	return b.sh(`cfs-pull --progress none --init --insecure --repo "$1" "oci:$2:latest" "$3" >&2`, repo, from, fmt.Sprintf("image-%d", i))
}

// sh runs shell code that prepares something, in the root of the project, with our tools
// first in PATH.
func (b *bench) sh(code string, operands ...string) error {
	c := exec.CommandContext(b.ctx, "sh", append([]string{"-euc", code, "sh"}, operands...)...)
	c.Env = append(os.Environ(), "PATH="+b.tools+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", code, err, out)
	}
	return nil
}
