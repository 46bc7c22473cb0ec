package tool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"cfs/lib/corrupt"
	"cfs/lib/flock"
	"cfs/lib/progress"
	"cfs/lib/repo"
	"cfs/lib/temporary"
)

func TestArrange(t *testing.T) {
	app := &cli.App{
		Flags: []cli.Flag{&cli.StringFlag{Name: "repo"}, &cli.BoolFlag{Name: "json"}},
		Commands: []*cli.Command{{Name: "ls", Flags: []cli.Flag{
			&cli.StringFlag{Name: "repo"}, &cli.BoolFlag{Name: "all", Aliases: []string{"a"}}}}},
	}
	for args, want := range map[string]string{
		"":                   "--",
		"FILE --json":        "--json -- FILE",
		"FILE --repo R -":    "--repo R -- FILE -",
		"--repo=R FILE":      "--repo=R -- FILE",
		"ls X -a --repo R":   "ls -a --repo R -- X",
		"--repo R ls X":      "ls --repo R -- X",
		"-- ls --json":       "-- ls --json",
		"FILE ls":            "-- FILE ls",
		"ls X -- --all":      "ls -- X --all",
		"--unknown X --json": "--unknown --json -- X",
		"ls --repo":          "ls --repo",
		"FILE -h":            "-h --",
		"ls X --help Y":      "ls --help --",
		"--repo -h FILE":     "--repo -h -- FILE",
		"-- -h":              "-- -h",
		"FILE --json --repo": "--json --repo",
	} {
		got := strings.Join(arrange(app, append([]string{"tool"}, strings.Fields(args)...))[1:], " ")
		if got != want {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	bad := corrupt.Errorf("bad: %w", fs.ErrNotExist)
	for _, v := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("x"), 1}, {UsageError("x"), 2}, {fmt.Errorf("x: %w", fs.ErrNotExist), 3}, {bad, 4},
		{fmt.Errorf("x: %w", flock.ErrLocked), 5}, {fmt.Errorf("x %w", repo.ErrAmbiguous), 2}, {temporary.Errorf("x"), 75}, {Silent(7), 7}, {Hint(bad, "do this"), 4},
		{fmt.Errorf("wrapped: %w", temporary.Errorf("x: %w", fs.ErrNotExist)), 75},
	} {
		if got := Status(v.err); got != v.want {
			t.Errorf("%v: status %d, want %d", v.err, got, v.want)
		}
	}
}

func TestReport(t *testing.T) {
	for _, v := range []struct {
		err  error
		want []string
	}{
		{nil, nil},
		{Silent(3), nil},
		{errors.Join(errors.New("one"), errors.New("two")), []string{"cfs: one; two"}},
		{errors.New("of others: \x1b[31m\x07\u009b \xff é"), []string{`cfs: of others: \x1b[31m\x07\x9b ` + "\uFFFD é"}},
		{Hint(errors.New("no"), "try %d", 1), []string{"cfs: no", "cfs: hint: try 1"}},
	} {
		out, _ := reported(t, v.err, false)
		if got := strings.Split(strings.TrimSuffix(out, "\n"), "\n"); v.want != nil && !slices.Equal(got, v.want) || v.want == nil && out != "" {
			t.Errorf("%v: %q", v.err, got)
		}
	}
}

// reported returns what is printed of an error, and the exit status.
func reported(t *testing.T, err error, objects bool) (text string, status int) {
	t.Helper()
	f, failed := os.CreateTemp(t.TempDir(), "")
	if failed != nil {
		t.Fatal(failed)
	}
	defer f.Close()
	status = report(err, &progress.Printer{Tool: "cfs", Objects: objects, Out: f})
	printed, failed := os.ReadFile(f.Name())
	if failed != nil {
		t.Fatal(failed)
	}
	return string(printed), status
}

// TestReportJSON: an error is an object where JSON is asked for.
func TestReportJSON(t *testing.T) {
	for want, err := range map[string]error{
		"": nil,
		`{"v":2,"tool":"cfs","kind":"error","message":"a \u001b\"\n\u009b","status":1}` + "\n":      errors.New("a \x1b\"\n\u009b"),
		`{"v":2,"tool":"cfs","kind":"error","message":"bad","status":2,"hint":"try --help"}` + "\n": UsageError("bad"),
	} {
		if got, status := reported(t, err, true); got != want || status != Status(err) {
			t.Errorf("%v: %q, want %q; status %d", err, got, want, status)
		}
	}
}
