package tool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"cfs/lib/internal/repotest"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// parse reads a command line into options of a command that is no stage of the pipe.
func parse(t *testing.T, args ...string) (*Options, error) {
	t.Helper()
	o := new(Options)
	app := &cli.App{
		Name: "cfs-test", Flags: append(append(o.RepoFlags(), o.ProgressFlag()), &cli.StringFlag{Name: "text"}, &cli.BoolFlag{Name: "all", Aliases: []string{"a"}}),
		Action: o.Action(func() error { return nil }), OnUsageError: usageError,
		ExitErrHandler: func(*cli.Context, error) {}, ErrWriter: os.Stderr,
	}
	return o, app.Run(arrange(app, append([]string{"cfs-test"}, args...)))
}

func mustParse(t *testing.T, args ...string) *Options {
	t.Helper()
	o, err := parse(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestRepoPath: options come before the environment, that before the user.
func TestRepoPath(t *testing.T) {
	const user, env = "/home/x/.var/lib/composefs", "/from/env"
	other := user
	if os.Geteuid() == 0 {
		other = systemRepo
	}
	t.Setenv("HOME", "/home/x")
	for _, v := range []struct{ args, env, want, option string }{
		{"", env, env, ""},
		{"--repo R", "", "R", "--repo 'R' "},
		{"--repo R", env, "R", "--repo 'R' "},
		{"--user", "", user, "--user "},
		{"--user", env, user, "--user "},
		{"--system", env, systemRepo, "--system "},
		{"operand --repo=it's", "", "it's", `--repo 'it'\''s' `},
	} {
		t.Setenv("COMPOSEFS_REPO", v.env)
		o := mustParse(t, strings.Fields(v.args)...)
		if path, err := o.RepoPath(); err != nil || path != v.want || o.RepoOption() != v.option {
			t.Errorf("%q, environment %q: %q, %q, %v, want %q, %q", v.args, v.env, path, o.RepoOption(), err, v.want, v.option)
		}
	}
	t.Setenv("COMPOSEFS_REPO", "")
	if _, err := mustParse(t).RepoPath(); Status(err) != Usage || !strings.Contains(err.Error(), "COMPOSEFS_REPO is empty") {
		t.Errorf("the environment is empty: %v", err)
	}
	os.Unsetenv("COMPOSEFS_REPO")
	if path, err := mustParse(t).RepoPath(); err != nil || path != other {
		t.Errorf("nothing says which repository: %q, %v", path, err)
	}
	for _, args := range []string{"--repo R --user", "--user --system", "--repo R --user --system"} {
		o := mustParse(t, strings.Fields(args)...)
		if _, err := o.RepoPath(); Status(err) != Usage || err.Error() != "--repo, --user and --system are mutually exclusive" {
			t.Errorf("%s: %v", args, err)
		}
		if _, err := o.OpenRepo(false); Status(err) != Usage {
			t.Errorf("%s opened: %v", args, err)
		}
	}
	t.Setenv("HOME", "")
	if _, err := mustParse(t, "--user").RepoPath(); Status(err) != Usage {
		t.Errorf("without a home: %v", err)
	}
}

// TestEmptyValues: an option or operand with an empty value, as of a variable that is not
// set, is a wrong use; one that is not given is fine.
func TestEmptyValues(t *testing.T) {
	for _, v := range []struct {
		args []string
		want string
	}{
		{[]string{"--repo", ""}, "--repo: its value is empty"}, {[]string{"--text="}, "--text: its value is empty"},
		{[]string{"x", ""}, "an operand is empty"}, {[]string{"--", ""}, "an operand is empty"}, {[]string{"x", "--all"}, ""},
	} {
		_, err := parse(t, v.args...)
		if got := fmt.Sprint(err); v.want != "" && (got != v.want || Status(err) != Usage) || v.want == "" && err != nil {
			t.Errorf("%q: %v, want %q", v.args, err, v.want)
		}
	}
}

// TestAction: what was read of the command line.
func TestAction(t *testing.T) {
	o := mustParse(t, "a", "--all", "--", "--all", "-")
	if o.Tool != "cfs-test" || fmt.Sprint(o.Operands) != "[a --all -]" || !o.isSet("all") || !o.isSet("a") || o.isSet("text") || o.JSON {
		t.Errorf("got %+v", o)
	}
	failed := errors.New("failed")
	app := &cli.App{Action: new(Options).Action(func() error { return failed }), ExitErrHandler: func(*cli.Context, error) {}}
	if err := app.Run([]string{"x"}); err != failed {
		t.Errorf("got %v", err)
	}
}

func TestRules(t *testing.T) {
	rules := Rules{
		{If: "text", Not: "all"}, {If: "user", Needs: []string{"text"}}, {If: "system", Needs: []string{"text", "user", "all"}},
		{If: "no-wait", Not: "timeout", Say: "either wait or do not"}, {If: "elsewhere", Not: "all"},
	}
	for args, want := range map[string]string{
		"":                          "",
		"--text x":                  "",
		"--text x --all":            "--text and --all are mutually exclusive",
		"-a --text x":               "--text and --all are mutually exclusive",
		"--user":                    "--user requires --text",
		"--user --text x":           "",
		"--system":                  "--system requires --text, --user or --all",
		"--system --all":            "",
		"--no-wait":                 "",
		"--no-wait --timeout 1s":    "either wait or do not",
		"--user --text x --all":     "--text and --all are mutually exclusive",
		"operand -- --text x --all": "",
	} {
		err := mustParse(t, strings.Fields(args)...).Check(rules)
		if want == "" && err != nil || want != "" && (Status(err) != Usage || err.Error() != want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

func TestLock(t *testing.T) {
	for args, want := range map[string]time.Duration{"": time.Minute, "--timeout 5s": 5 * time.Second, "--no-wait": 0, "--no-wait --timeout 5s": 0} {
		o := mustParse(t, strings.Fields(args)...)
		for _, exclusive := range []bool{false, true} {
			if l := o.Lock(exclusive); l.Timeout != want || l.Exclusive != exclusive {
				t.Errorf("%q: %+v", args, l)
			}
		}
	}
	errs := captured(t, &os.Stderr, func() { mustParse(t).Lock(true).Waiting("cfs-gc (pid 1)") })
	if errs != "cfs-test: waiting for a lock of the repository, held by cfs-gc (pid 1)\n" {
		t.Errorf("while it waits: %q", errs)
	}
}

// captured returns what do writes to a stream of this process.
func captured(t *testing.T, stream **os.File, do func()) string {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/captured")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old := *stream
	defer func() { *stream = old }()
	*stream = f
	do()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestOpenRepo: which repository is opened, for what, and how it fails.
func TestOpenRepo(t *testing.T) {
	r := repotest.New(t, verity.SHA256)
	o := mustParse(t, "--repo", r.Path, "--no-wait")
	for name, open := range map[string]func() (*repo.Repo, error){"to read": func() (*repo.Repo, error) { return o.OpenRepo(false) }, "to write": o.OpenToWrite} {
		again, err := open()
		if err != nil || again.Path != r.Path {
			t.Fatalf("%s: %v", name, err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := o.OpenRepo(true); Status(err) != Locked { // r is open
		t.Errorf("exclusively: %v", err)
	}
	none := mustParse(t, "--repo", t.TempDir()+"/none")
	for name, open := range map[string]func() (*repo.Repo, error){"to read": func() (*repo.Repo, error) { return none.OpenRepo(false) }, "to write": none.OpenToWrite} {
		_, err := open()
		out, status := reported(t, err, false)
		if status != NotFound || !errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(out, "\ncfs: hint: cfs-import --init makes a repository; --repo DIR names another one\n") {
			t.Errorf("%s where there is none: %d, %q", name, status, out)
		}
	}
	text := `{"version":1,"algorithm":"fsverity-sha256-12","features":{"read-only-compatible":["later"]}}`
	if err := os.WriteFile(r.Path+"/meta.json", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := o.OpenToWrite(); Status(err) != Failed || !strings.Contains(err.Error(), `feature "later"`) {
		t.Errorf("to write one that is only read: %v", err)
	}
	if again, err := o.OpenRepo(false); err != nil {
		t.Errorf("to read it: %v", err)
	} else {
		again.Close()
	}
}

// TestPrinter: in the mode of --progress, in the name of the tool; warnings in any.
func TestPrinter(t *testing.T) {
	for _, mode := range []string{"auto", "plain", "json", "none"} {
		o := mustParse(t, "--progress", mode)
		if p := o.Printer(); string(p.Mode) != mode || p.Tool != "cfs-test" || p.Out != os.Stderr {
			t.Errorf("%s: %+v", mode, p)
		}
		want := "cfs-test: one; two\n"
		if mode == "json" {
			want = `{"v":2,"tool":"cfs-test","kind":"message","message":"one\ntwo"}` + "\n"
		}
		if errs := captured(t, &os.Stderr, func() { o.Warn("one\n%s", "two") }); errs != want {
			t.Errorf("%s: %q", mode, errs)
		}
	}
	if p := mustParse(t).Printer(); p.Mode != "auto" {
		t.Errorf("by default: %s", p.Mode)
	}
	captured(t, &os.Stdout, func() {
		if _, err := parse(t, "--progress", "loud"); Status(err) != Usage {
			t.Errorf("an unknown mode: %v", err)
		}
	})
}
