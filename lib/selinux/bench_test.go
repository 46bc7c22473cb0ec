package selinux

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/dumpfile"
	"cfs/lib/tree"
)

// BenchmarkLabel labels a tree. The policy is that in the folder $CFS_POLICY and the
// tree that of the dumpfile $CFS_TREE, or both are made up: 5,000 rules of the kinds
// that distributions have, and 100,000 paths.
func BenchmarkLabel(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the figure is of one core
	policy, root := madeUpPolicy(5000), madeUpTree(100_000)
	if dir := os.Getenv("CFS_POLICY"); dir != "" {
		policy = readFolder(b, dir)
	}
	if file := os.Getenv("CFS_TREE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		if root, err = dumpfile.Read(bytes.NewReader(text), dumpfile.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	var rules int
	for b.Loop() {
		p, err := newPolicy(policy)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.label(root); err != nil {
			b.Fatal(err)
		}
		rules = len(p.rules)
	}
	b.ReportMetric(float64(rules), "rules")
	b.ReportMetric(float64(tree.Count(root)), "paths")
}

func readFolder(b *testing.B, dir string) map[string]string {
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			b.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}

// newPolicy reads a policy of files by name.
func newPolicy(files map[string]string) (*policy, error) {
	dir := tree.NewDir(0o755)
	for name, text := range files {
		dir.Put(name, &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: uint64(len(text)), Inline: text})
	}
	return readPolicy(folder{dir, "/policy", inline})
}

func madeUpPolicy(rules int) map[string]string {
	kinds := []string{
		"/usr/lib/systemd/system/unit%d.* --\tunit_t", "/usr/bin/tool%d --\texec_t", "/var/lib/daemon%d(/.*)?\tvar_lib_t", "/etc/daemon%d(/.*)?\tetc_t",
		"/usr/lib(64)?/part%d/.+\\.so(\\.[^/]*)* --\tlib_t", "/var/log/daemon%d\\.log.* --\tlog_t", "/usr/(.*/)?plugin%d(/.*)?\tbin_t", "/run/daemon%d\\.pid --\trun_t",
		"/home/[^/]+/\\.daemon%d(/.*)?\thome_t", "/usr/(s)?bin/daemon%d[0-9]* --\texec_t",
	}
	var out strings.Builder
	out.WriteString("/.*\tdefault_t\n/usr(/.*)?\tusr_t\n/usr/lib(/.*)?\tlib_t\n/etc/.*\tetc_t\n")
	for n := range rules {
		fmt.Fprintf(&out, kinds[n%len(kinds)]+"\n", n)
	}
	return map[string]string{"file_contexts": out.String()}
}

func madeUpTree(paths int) *tree.Inode {
	root := tree.NewDir(0o755)
	for n := 0; tree.Count(root) < paths; n++ {
		for _, path := range []string{"usr/lib/part%d/module", "usr/share/doc/package%d", "etc/daemon%d", "var/lib/daemon%d/data"} {
			dir := root
			for name := range strings.SplitSeq(fmt.Sprintf(path, n), "/") {
				if dir.Lookup(name) == nil {
					dir.Put(name, tree.NewDir(0o755))
				}
				dir = dir.Lookup(name)
			}
			for i := range 100 {
				dir.Put(fmt.Sprintf("lib%d.so.%d", n, i), &tree.Inode{Mode: unix.S_IFREG | 0o644})
			}
		}
	}
	return root
}
