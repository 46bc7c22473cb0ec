package cmd

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/lib/dumpfile"
	"cfs/lib/tree"
	"cfs/lib/verity"
	"cfs/testdata/wild"
)

// TestWildCorpus: each image of the corpus, pulled, is the tree that was written down for
// it, in its dumpfile and, where this process can mount, as it is mounted; or it is
// refused. With --strict it is the same image, or refused.
func TestWildCorpus(t *testing.T) {
	t.Parallel()
	cases := wild.Cases()
	if testing.Short() { // one of each ten
		cases = slices.DeleteFunc(cases, func(w wild.Case) bool { return sha256.Sum256([]byte(w.Name))[0]%10 != 0 })
	}
	corpus{
		repo:   filepath.Join(cmdtest.Scratch(t), "repo"),
		strict: filepath.Join(cmdtest.Scratch(t), "strict"),
		mounts: noComposefs() == "" && !testing.Short(),
	}.run(t, cases)
}

// corpus is where cases are pulled to: a repository for all, and one with --strict.
type corpus struct {
	repo, strict string
	mounts       bool
}

func (c corpus) run(t *testing.T, cases []wild.Case) {
	if !c.mounts {
		t.Log("SKIPPED: mounting: ", noComposefs())
	}
	for _, repo := range []string{c.repo, c.strict} {
		must(t, repo, "cfs-import --init --insecure </dev/null")
	}
	t.Run("cases", func(t *testing.T) {
		for _, w := range cases {
			t.Run(w.Name, func(t *testing.T) {
				t.Parallel()
				c.check(t, w)
			})
		}
	})
	for _, repo := range []string{c.repo, c.strict} {
		must(t, repo, "cfs-gc check --content")
	}
}

func (c corpus) check(t *testing.T, w wild.Case) {
	dir := cmdtest.Scratch(t)
	if err := w.Write(dir); err != nil {
		t.Fatal(err)
	}
	options := w.Options
	if options == "" {
		options = vectorPlatform
	}
	pull := "cfs-pull --progress none --spool " + dir + "/spool " + options + " " + cmdtest.Quote(w.Source(dir)) + " " + w.Name
	strict := shell(t, c.strict, pull+" --strict")
	r := shell(t, c.repo, pull)
	if w.Strict == 1 && w.Status != 1 {
		wantError(t, strict, 1, "--strict")
	} else if strict.Status != w.Strict || strict.Status == 0 && strict != r {
		t.Errorf("with --strict: exit status %d, want %d\n%s%swithout:\n%s%s", strict.Status, w.Strict, strict.Stdout, strict.Stderr, r.Stdout, r.Stderr)
	}
	if w.Status != 0 {
		wantError(t, r, w.Status, w.Says)
		return
	}
	if r.Status != 0 {
		t.Fatalf("exit status %d\n%s", r.Status, r.Stderr)
	}
	c.checkTree(t, w.Name, w.Listing())
}

// checkTree compares a tagged image with a listing.
func (c corpus) checkTree(t *testing.T, tag, want string) {
	t.Helper()
	compareTrees(t, "the dumpfile", want, c.dumped(t, tag))
	if c.mounts {
		compareTrees(t, "the mount", want, listMounted(t, mounted(t, c.repo, tag)))
	}
}

func compareTrees(t *testing.T, what, want, got string) {
	t.Helper()
	if want != got {
		t.Errorf("%s (-want +got):\n%s", what, cmp.Diff(strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")))
	}
}

// dumped lists the tree in an EROFS image.
func (c corpus) dumped(t *testing.T, name string) string {
	t.Helper()
	root, err := dumpfile.Read(strings.NewReader(must(t, c.repo, "cfs-mkerofs dump "+name)), dumpfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stored := must(t, c.repo, "cfs-mkerofs dump --compat "+name) // has the link counts of the image
	links := map[*tree.Inode]int{}
	var list []wild.Entry
	for path, n := range tree.Walk(root) {
		if links[n] == 0 {
			links[n] = linksIn(stored, path)
		}
		e := wild.Entry{Path: path, Type: letters[n.Type()], Mode: fs.FileMode(n.Mode & 0o7777), Target: n.Target, Links: links[n]}
		if n.IsRegular() {
			content := []byte(n.Inline)
			if n.Object != (verity.ID{}) {
				hex := n.Object.String()
				if content, err = os.ReadFile(filepath.Join(c.repo, "objects", hex[:2], hex[2:])); err != nil {
					t.Fatal(err)
				}
			}
			e.Size, e.Sum = int64(n.Size), sha256.Sum256(content)
		}
		list = append(list, e)
	}
	return wild.List(list)
}

// linksIn returns the link count in the line of a dumpfile for a path.
func linksIn(dump, path string) int {
	_, rest, _ := strings.Cut("\n"+dump, "\n"+dumpfile.Escape(path)+" ")
	links, _ := strconv.Atoi(append(strings.Fields(rest), "", "", "")[2])
	return links
}

// letters are those of the types of files in listings.
var letters = map[uint32]byte{
	unix.S_IFREG: 'f', unix.S_IFDIR: 'd', unix.S_IFLNK: 'l', unix.S_IFCHR: 'c',
	unix.S_IFBLK: 'b', unix.S_IFIFO: 'p', unix.S_IFSOCK: 's',
}

// listMounted lists a mounted image. The files that overlayfs shows for whiteouts of the
// image's own are devices there.
func listMounted(t *testing.T, dir string) string {
	t.Helper()
	var list []wild.Entry
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		e, err := entryOf(path)
		e.Path = "/" + strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")
		list = append(list, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return wild.List(list)
}

func entryOf(path string) (e wild.Entry, err error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return e, err
	}
	e = wild.Entry{Type: letters[st.Mode&unix.S_IFMT], Mode: fs.FileMode(st.Mode & 0o7777), Links: int(st.Nlink)}
	switch e.Type {
	case 'l':
		e.Target, err = os.Readlink(path)
	case 'f':
		if _, err := unix.Lgetxattr(path, "trusted.overlay.whiteout", nil); err == nil {
			e.Type = 'c'
			return e, nil
		}
		var data []byte
		data, err = os.ReadFile(path)
		e.Size, e.Sum = st.Size, sha256.Sum256(data)
		if int64(len(data)) != st.Size {
			err = errors.Join(err, errors.New(path+": its size is not that of its content"))
		}
	}
	return e, err
}

// unread are the cases that cfsctl refuses, or of which it reads the first part alone, and
// that --strict takes all the same: no other image has their digest.
var unread = map[string]bool{"gzip-two-members": true, "zstd-two-frames": true, "end-none-empty-last": true, "layout-sha512": true}

// TestWildReference: of what --strict takes, cfsctl makes the same image.
func TestWildReference(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cfsctl"); err != nil {
		t.Skip("SKIPPED: no cfsctl: ", err)
	}
	ours, its := filepath.Join(cmdtest.Scratch(t), "ours"), filepath.Join(cmdtest.Scratch(t), "its")
	must(t, ours, "cfs-import --init --insecure </dev/null")
	must(t, its, "cfsctl init --insecure $COMPOSEFS_REPO")
	for _, w := range wild.Cases() {
		if w.Strict != 0 || w.Tags != nil || w.Platforms != nil || unread[w.Name] {
			continue // what has a platform, cfsctl takes for this machine alone
		}
		dir := t.TempDir()
		if err := w.Write(dir); err != nil {
			t.Fatal(err)
		}
		source := cmdtest.Quote(w.Source(dir))
		must(t, ours, "cfs-pull --strict --progress none "+vectorPlatform+" "+source+" "+w.Name)
		got := must(t, ours, "cfs-mkerofs --oci "+w.Name)
		want := must(t, its, "cfsctl --repo $COMPOSEFS_REPO oci pull "+strings.TrimSuffix(source, ":"+w.Name+"'")+"' "+w.Name+
			" >&2 && cfsctl --repo $COMPOSEFS_REPO --erofs-version 1 oci compute-id "+w.Name)
		if got != want {
			t.Errorf("%s: %s, want %s", w.Name, got, want)
		}
	}
}
