package dumpfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/tree"
)

// written returns what Write gives for a tree.
func written(t testing.TB, root *tree.Inode) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, root); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkStable checks that dump, which was written from root, is read as the
// same tree and written as the same bytes.
func checkStable(t testing.TB, name string, root *tree.Inode, dump []byte, o Options) {
	t.Helper()
	again, err := Read(bytes.NewReader(dump), o)
	if err != nil {
		t.Errorf("%s: what was written is refused: %v", name, err)
		return
	}
	if err := sameTree(root, again, make(map[*tree.Inode]*tree.Inode)); err != nil {
		t.Errorf("%s: what was written is another tree: %v", name, err)
	}
	if got := written(t, again); !bytes.Equal(got, dump) {
		t.Errorf("%s: written otherwise the second time: %s", name, firstDifference(got, dump))
	}
}

// sameTree compares two trees. Inodes with several names are in twins, so that
// those of a come from the same inode of b each time.
func sameTree(a, b *tree.Inode, twins map[*tree.Inode]*tree.Inode) error {
	if twin, ok := twins[a]; ok {
		if twin != b {
			return errors.New("names of one inode are those of two")
		}
		return nil
	}
	twins[a] = b
	if a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || a.Mtime != b.Mtime || a.Rdev != b.Rdev || a.Size != b.Size ||
		a.Inline != b.Inline || a.Object != b.Object || a.Payload != b.Payload || a.Target != b.Target || !slices.Equal(a.Xattrs, b.Xattrs) {
		return fmt.Errorf("%+v is not %+v", *a, *b)
	}
	as, bs := a.Entries(), b.Entries()
	if len(as) != len(bs) {
		return fmt.Errorf("%d entries, not %d", len(as), len(bs))
	}
	for i := range as {
		if as[i].Name != bs[i].Name {
			return fmt.Errorf("%q is not %q", as[i].Name, bs[i].Name)
		}
		if err := sameTree(as[i].Inode, bs[i].Inode, twins); err != nil {
			return fmt.Errorf("%q: %w", as[i].Name, err)
		}
	}
	return nil
}

// firstDifference shows the first line that two dumps do not share.
func firstDifference(got, want []byte) string {
	g, w := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			return fmt.Sprintf("line %d: got %.300q, want %.300q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// class returns the class of an error of Read, "" if it has none.
func class(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// checkRefusal checks an error of Read.
func checkRefusal(t testing.TB, name string, err error, want refusal) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || !corrupt.Is(err) {
		t.Errorf("%s: got %v, want %v", name, err, want)
		return
	}
	if got := (refusal{e.Line, e.Field, e.Class}); got != want {
		t.Errorf("%s: got %v, want %v", name, err, want)
	}
}
