package layer_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/erofs"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// TestWild: images as they are in the wild have the tree that runtimes show. With strict
// rules they have the reference's digest, or are refused.
func TestWild(t *testing.T) {
	for _, dir := range cases(t, "wild/*") {
		name := filepath.Base(dir)
		if prefix, _, _ := strings.Cut(name, "-"); prefix == "ix" || prefix == "man" || prefix == "type" {
			continue // not about tars
		}
		t.Run(name, func(t *testing.T) {
			want := read(t, dir, "expected.txt")
			tars, err := image(t, dir)
			if err != nil {
				t.Fatal(err)
			}
			s := newStore(verity.SHA512)
			root, err := s.merge(t, tars, nil)
			switch {
			case strings.HasPrefix(want, "refuse 4"):
				if !corrupt.Is(err) {
					t.Errorf("error %v, want one of corrupt data", err)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			if got := s.expected(root, strings.HasPrefix(want, "names\n")); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			reference := strings.TrimSpace(read(t, dir, "cfsctl.txt"))
			if root, err = s.merge(t, tars, tolerance.Strict(true)); err != nil {
				if !errors.Is(err, tolerance.ErrRefused) {
					t.Errorf("with strict rules: %v", err)
				}
				return
			}
			hash := verity.SHA512.New()
			if err := erofs.WriteUnsignedTimes(hash, root, variant.V1); err != nil || hash.ID().String() != reference {
				t.Errorf("with strict rules: %s, %v; want %s", hash.ID(), err, reference)
			}
		})
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// expected lists a tree as the vectors do, or its names alone.
func (s *store) expected(root *tree.Inode, names bool) string {
	var out strings.Builder
	if names {
		out.WriteString("names\n")
	}
	links := tree.Links(root)
	letters := map[uint32]string{unix.S_IFREG: "f", unix.S_IFDIR: "d", unix.S_IFLNK: "l", unix.S_IFCHR: "c", unix.S_IFBLK: "b", unix.S_IFIFO: "p"}
	for path, n := range tree.Walk(root) {
		if path == "/" || path == "/run" {
			continue
		}
		if names {
			fmt.Fprintln(&out, path)
			continue
		}
		fmt.Fprintf(&out, "%s %04o %s", letters[n.Type()], n.Mode&0o7777, strings.Trim(fmt.Sprintf("%q", path), `"`))
		switch {
		case n.IsRegular():
			content := []byte(n.Inline)
			if !n.Object.IsZero() {
				content = s.objects[n.Object]
			}
			sum := sha256.Sum256(content)
			fmt.Fprintf(&out, " %d %x", n.Size, sum[:8])
		case n.IsSymlink():
			fmt.Fprintf(&out, " -> %s", n.Target)
		}
		if count := max(links[n], 1) + n.Unnamed; count > 1 && !n.IsDir() {
			fmt.Fprintf(&out, " nlink=%d", count)
		}
		fmt.Fprintln(&out)
	}
	return out.String()
}
