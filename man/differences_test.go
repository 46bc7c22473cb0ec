package man

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cfs/testdata/wild"
)

// difference is a row of a table of docs/differences.md.
type difference struct {
	input        string
	rules, tests []string
}

// differences returns the rows of the tables that name tests.
func differences(t *testing.T) []difference { return tested(t, "../docs/differences.md") }

// tested returns the rows of those tables of a document whose last column names tests.
func tested(t *testing.T, document string) (rows []difference) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	on, quoted := false, regexp.MustCompile("`[^`]+`")
	for line := range strings.Lines(string(text)) {
		cell := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "|"), " | ")
		switch {
		case !strings.HasPrefix(line, "|"):
			on = false
		case strings.TrimSpace(cell[len(cell)-1]) == "test":
			on = true
		case on && !strings.HasPrefix(line, "|--"):
			n := len(cell)
			rows = append(rows, difference{cell[0], names(quoted, cell[n-2]), names(quoted, cell[n-1])})
		}
	}
	return rows
}

func names(quoted *regexp.Regexp, cell string) (list []string) {
	for _, name := range quoted.FindAllString(cell, -1) {
		list = append(list, strings.Trim(name, "`"))
	}
	return list
}

// TestDifferences: each difference from the reference names tests, and those are there.
func TestDifferences(t *testing.T) {
	wantTests(t, differences(t), 50)
}

// wantTests checks that each of so many rows or more names tests, and that those are there.
func wantTests(t *testing.T, rows []difference, least int) {
	t.Helper()
	if len(rows) < least {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows {
		if len(row.tests) == 0 {
			t.Errorf("%s: no test", row.input)
		}
		for _, name := range row.tests {
			if !exists(t, name) {
				t.Errorf("%s: there is no test %s", row.input, name)
			}
		}
	}
}

// exists reports whether there is a test: wild/CASE, a script, or PACKAGE.NAME.
func exists(t *testing.T, name string) bool {
	t.Helper()
	if pattern, ok := strings.CutPrefix(name, "wild/"); ok {
		return slices.ContainsFunc(wild.Cases(), func(c wild.Case) bool { return matches(pattern, c.Name) })
	}
	if strings.HasSuffix(name, ".txtar") {
		_, err := os.Stat("../" + name)
		return err == nil
	}
	pkg, test, _ := strings.Cut(name, ".")
	files, err := filepath.Glob("../" + pkg + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "\nfunc "+test+"(")
	})
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// TestRules: what lib/tolerance has a name for has a row, and the other way round.
func TestRules(t *testing.T) {
	text, err := os.ReadFile("../lib/tolerance/kind.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "const (\n")
	list, _, _ = strings.Cut(list, "\tkinds ")
	var want, got []string
	for _, m := range regexp.MustCompile(`(?m)^\t([A-Z]\w+)`).FindAllStringSubmatch(list, -1) {
		want = append(want, m[1])
	}
	for _, row := range differences(t) {
		got = append(got, row.rules...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if got = slices.Compact(got); len(want) < 20 || !slices.Equal(want, got) {
		t.Errorf("lib/tolerance has\n%v\ndocs/differences.md has\n%v", want, got)
	}
}

// TestCasesHaveRows: each image of the corpus that only --strict refuses is an example of
// a row.
func TestCasesHaveRows(t *testing.T) {
	rows := differences(t)
	for _, c := range wild.Cases() {
		if c.Status == 0 && c.Strict != 0 && !slices.ContainsFunc(rows, func(row difference) bool { return row.has(c.Name) }) {
			t.Errorf("no row names %s", c.Name)
		}
	}
}

func (d difference) has(name string) bool {
	return slices.ContainsFunc(d.tests, func(test string) bool { return matches(test, "wild/"+name) })
}
