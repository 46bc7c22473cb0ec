package cmd

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
)

// TestResume kills cfs-import after it has said of some layers that they are stored.
// Those stay over a collection, and a second pull stores nothing of them again.
func TestResume(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.ManyFiles(t))
	const layers = 5 // of manyFiles
	for n := 0; n <= layers; n += cmdtest.Soak(2, 1) {
		for _, gc := range []string{"", "cfs-gc --allow-empty"} {
			t.Run(fmt.Sprint(n, " layers ", gc), func(t *testing.T) {
				t.Parallel()
				repo := filepath.Join(cmdtest.Scratch(t), "repo")
				finished := p.importSome(t, repo, n)
				must(t, repo, gc)
				before := inodes(t, repo)
				for _, record := range finished {
					if stream := "/streams/oci-layer-" + parseRecord(t, record).Get("diff-id"); before[stream] == 0 {
						t.Errorf("%s is not there", stream)
					}
				}
				r := shell(t, repo, p.code)
				if r.Status != 0 || r.Stdout != p.records {
					t.Errorf("exit status %d, records\n%s\nwant\n%s\n%s", r.Status, r.Stdout, p.records, r.Stderr)
				}
				for _, record := range finished {
					if want := strings.Fields(record)[1] + ": present\n"; !strings.Contains(r.Stderr, want) {
						t.Errorf("stderr does not say %q:\n%s", want, r.Stderr)
					}
				}
				after := inodes(t, repo)
				for path, inode := range before {
					if after[path] != inode && !strings.Contains(path, "/cfs-lease/") && !strings.Contains(path, "cfs/leases/") {
						t.Errorf("%s was made again", path)
					}
				}
			})
		}
	}
}

// importSome kills cfs-import when it is about to write the record after the first n,
// and returns these.
func (p *pulled) importSome(t *testing.T, repo string, n int) (records []string) {
	t.Helper()
	code := "cfs-fetch " + p.source() + " | cfs-import --init --insecure --progress none"
	count := 0
	r := trapped(t, repo, code, trap.Only(trap.Of("cfs-import"), func(c trap.Call) error {
		if c.Nr == unix.SYS_WRITE {
			count++
		}
		if count <= n {
			return nil
		}
		if err := trap.KillTool(c.Group, c.Tool); err != nil {
			return err
		}
		return trap.ErrDead
	}))
	records = strings.Split(strings.TrimSpace(r.Stdout), "\n")
	if n == 0 {
		records = nil
	}
	if len(records) != n || count != n+1 || n > 0 && !strings.HasPrefix(records[n-1], "layer ") {
		t.Fatalf("%d records came, want %d layers: %q", len(records), n, records)
	}
	return records
}

// inodes returns the inode number of each file and link of a repository, by its path
// in there. What is written again gets another one.
func inodes(t *testing.T, repo string) map[string]uint64 {
	t.Helper()
	found := make(map[string]uint64)
	err := filepath.WalkDir(repo, func(path string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil && !d.IsDir() {
			if err = unix.Lstat(path, &st); err == nil {
				found[strings.TrimPrefix(path, repo)] = st.Ino
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
