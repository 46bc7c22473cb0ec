package man

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestHouse checks that docs/architecture.md has the table of imports that
// lib/imports_test.go holds.
func TestHouse(t *testing.T) {
	rows := func(name, pattern string) map[string]string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		table := make(map[string]string)
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			table[m[1]] = strings.ReplaceAll(m[2], `"`, "")
		}
		return table
	}
	want := rows("../lib/imports_test.go", `(?m)^\t"([a-z]+)": +\{(.*)\},$`)
	for pkg, imports := range want {
		if imports == "" {
			want[pkg] = "-"
		}
	}
	got := rows("../docs/architecture.md", "(?m)^\\| `([a-z]+)` \\|.*\\| ([^|]*) \\|$")
	if len(want) < 10 || !maps.Equal(got, want) {
		t.Errorf("docs/architecture.md has\n%v\nlib/imports_test.go has\n%v", got, want)
	}
}
