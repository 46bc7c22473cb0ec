package selinux

import (
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
)

func inline(n *tree.Inode) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(n.Inline)), nil
}

// put makes a file of a tree, and the directories above it.
func put(root *tree.Inode, path, content string) *tree.Inode {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for _, name := range parts[:len(parts)-1] {
		if root.Lookup(name) == nil {
			root.Put(name, tree.NewDir(0o755))
		}
		root = root.Lookup(name)
	}
	n := &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: uint64(len(content)), Inline: content}
	root.Put(parts[len(parts)-1], n)
	return n
}

// bootable returns a tree with a policy of one file, and with files of some names.
func bootable(contexts string, paths ...string) *tree.Inode {
	root := tree.NewDir(0o755)
	for _, dir := range []string{"usr", "boot", "sysroot"} {
		root.Put(dir, tree.NewDir(0o755))
	}
	put(root, "/etc/selinux/config", "SELINUXTYPE=t\n")
	put(root, "/etc/selinux/t/contexts/files/file_contexts", contexts)
	for _, path := range paths {
		put(root, path, "")
	}
	return root
}

// labels returns the labels of a tree by path.
func labels(root *tree.Inode) map[string]string {
	all := map[string]string{}
	for path, n := range tree.Walk(root) {
		if label, ok := n.Xattr(labelXattr); ok {
			all[path] = label
		}
	}
	return all
}

// TestAgain: what has its labels keeps them.
func TestAgain(t *testing.T) {
	root := bootable("/.*\tany_t\n/usr/.*\t--\tfile_t\n/usr/b\t<<none>>\n", "/usr/a", "/usr/b", "/a")
	root.Put("c", root.Lookup("usr").Lookup("a"))
	for range 2 {
		if err := Relabel(root, inline); err != nil {
			t.Fatal(err)
		}
		got := labels(root)
		want := map[string]string{"/usr/a": "file_t", "/a": "any_t", "/c": "any_t", "/usr": "any_t", "/boot": "any_t", "/": "any_t"}
		for path, label := range want {
			if got[path] != label {
				t.Errorf("%s is %q, want %q", path, got[path], label)
			}
		}
		if _, ok := got["/usr/b"]; ok {
			t.Error("/usr/b has a label")
		}
	}
	if root.Lookup("c") == root.Lookup("usr").Lookup("a") {
		t.Error("names of two labels share an inode")
	}
}

// TestNothingOutside: a policy whose name leads out of its folder is refused.
func TestNothingOutside(t *testing.T) {
	for _, name := range []string{"..", "../t", "t/../t", ".", "./t", "/../t"} {
		root := bootable("/\tx\n")
		put(root, "/etc/selinux/config", "SELINUXTYPE="+name+"\n")
		if err := Relabel(root, inline); err == nil || !strings.Contains(err.Error(), "is not a path below /etc/selinux") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIndex: the index gives what trying every rule gives.
func TestIndex(t *testing.T) {
	var text strings.Builder
	words := []string{"usr", "lib", "etc", "[^/]+", "(lib|etc)", ".*", "a?", "(/.*)?", `\.x`}
	for i, a := range words {
		for j, b := range words {
			typ := []string{"", "--\t", "-d\t"}[(i+j)%3]
			text.WriteString("/" + a + "/" + b + "\t" + typ + "c" + a[:1] + b[:1] + "\n/" + b + a + "\t" + typ + "d" + a[:1] + b[:1] + "\n")
		}
	}
	p, err := newPolicy(map[string]string{"file_contexts": text.String()})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/usr", "/usr/lib", "/lib/a", "/etc/usr/x", "/etc.x", "/lib/.x", "/usra", "/libetc", "/x/y", "/é/é"} {
		for _, typ := range []byte("-d") {
			got, err := p.lookup(path, typ)
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			for _, c := range slices.Backward(p.rules) {
				if matchesWhole(t, c, path, typ) {
					want = c.context
					break
				}
			}
			if got != want {
				t.Errorf("%s %c: %q, want %q", path, typ, got, want)
			}
		}
	}
}

// matchesWhole matches a rule as the reference does: against path and type, by the
// whole pattern.
func matchesWhole(t *testing.T, c *compiled, path string, typ byte) bool {
	t.Helper()
	whole, err := parsePattern(c.pattern, c.typ)
	if err != nil {
		t.Fatal(err)
	}
	e, err := backtracker(whole.whole)
	if err != nil {
		t.Fatal(err)
	}
	fits, err := e.MatchString(latin1(path + string(rune(typ))))
	if err != nil {
		t.Skip(err) // it takes too long
	}
	return fits
}
