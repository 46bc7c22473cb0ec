package mount

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParseMountinfo(t *testing.T) {
	const table = `22 27 0:20 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
66 27 0:40 / /mnt/one ro,relatime shared:7 master:2 - overlay composefs:ab12 ro,lowerdir=/proc/self/fd/11::/proc/self/fd/12
67 27 0:41 / /mnt/t\040w\134o ro,relatime shared:7 - overlay composefs:ab12 ro
68 27 0:41 / /mnt/ref ro,relatime - overlay composefs:refs/a\040b ro
69 27 0:42 / /mnt/none rw,relatime - overlay overlay rw
70 27 0:43 / /mnt/tmp rw,relatime - tmpfs composefs:cd34 rw
71 27 0:44 / /mnt/older ro,relatime - overlay composefs ro
`
	got := parseMountinfo(table)
	want := map[string][]string{"ab12": {"/mnt/one", `/mnt/t w\o`}, "refs/a b": {"/mnt/ref"}}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What the kernel escapes as it does comes back as it was.
func FuzzParseMountinfo(f *testing.F) {
	f.Add("ab12", "/mnt")
	f.Add(`a\040 b#`, "/mnt/\t\\\n")
	f.Add("", "//deleted - overlay composefs:x")
	f.Fuzz(func(t *testing.T, name, dir string) {
		parseMountinfo(name + dir)
		if strings.Contains(name+dir, "\x00") {
			return
		}
		line := fmt.Sprintf("66 27 0:40 / %s ro - overlay composefs:%s ro\n", escape(dir), escape(name))
		got := parseMountinfo(line)
		if len(got) != 1 || len(got[name]) != 1 || got[name][0] != dir {
			t.Errorf("%q: got %q, want %q at %q", line, got, name, dir)
		}
	})
}

// escape writes a string as the kernel does there (mangle_path in fs/seq_file.c).
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(" \t\n\\#", s[i]) >= 0 {
			fmt.Fprintf(&b, `\%03o`, s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
