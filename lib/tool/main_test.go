package tool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"cfs/lib/corrupt"
	"cfs/lib/record"
)

// asTool is set in the environment of this test's program where it is to be a tool.
const asTool = "CFS_TEST_TOOL"

func TestMain(m *testing.M) {
	if os.Getenv(asTool) != "" {
		Main(newTool())
		return // as Main does when a shell asks for completion
	}
	os.Exit(m.Run())
}

// testOptions is what a command's own options look like.
type testOptions struct {
	Options
	all   bool
	names cli.StringSlice
}

// newTool is a stage of the pipe that hands its records on, or fails as an operand asks
// for; it has a subcommand that prints its operands.
func newTool() *cli.App {
	o := &testOptions{}
	all := &cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Destination: &o.all, Usage: "all of them"}
	names := &cli.StringSliceFlag{Name: "name", Destination: &o.names, Usage: "with `NAME`"}
	return &cli.App{
		Name: "cfs-test", Usage: "be a tool", Flags: append(append(append(o.RepoFlags(), o.RecordFlags()...), o.ProgressFlag()), all, names),
		Action: o.Action(o.stage),
		Commands: []*cli.Command{{Name: "ls", Usage: "print operands", Flags: append(o.RepoFlags(), all), Action: o.Action(func() error {
			fmt.Printf("all=%v %q\n", o.all, o.Operands)
			return nil
		})}},
	}
}

func (o *testOptions) stage() error {
	out := o.Records()
	if err := o.Check(Rules{{If: "all", Not: "name"}}); err != nil {
		return o.Fail(out, err)
	}
	if slices.Equal(o.Operands, []string{"late"}) {
		WatchReader(out)
		if err := o.Fail(out, errors.New("late")); Status(err) != Failed {
			return err
		}
		io.Copy(io.Discard, os.Stdin)
		return Silent(7)
	}
	if len(o.Operands) > 0 {
		return o.Fail(out, map[string]error{
			"corrupt": corrupt.Errorf("bad\ndata"), "missing": fs.ErrNotExist, "silent": Silent(9), "hint": Hint(errors.New("no"), "do it"),
		}[o.Operands[0]])
	}
	return o.Filter(out, Stage{
		Start:  func() error { return out.Write(record.Record{Kind: "start", Digest: record.None}) },
		Handle: out.Write,
		Finish: func() error { return errors.New("no manifest") },
	})
}

// command returns the tool as a program of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asTool+"=1")
	return cmd
}

// run runs the tool, and returns what it wrote and its exit status.
func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := command(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

const failed = "failed - tool=cfs-test status="

// TestMainStatus: what a tool does with its command line, and with its input, comes out
// as its exit status, on stderr for people and as the last record for the next stage.
func TestMainStatus(t *testing.T) {
	var version strings.Builder
	printVersion(&version, "cfs-test")
	const start, noManifest = "start -\n", "cfs-test: no manifest\n"
	for _, v := range []struct {
		args, stdin    string
		stdout, stderr string
		status         int
	}{
		{"", "", start + failed + "1\n", noManifest, 1},
		{"", "blob - x=y\n", start + "blob - x=y\n" + failed + "1\n", noManifest, 1},
		{"--json", "blob - x=y\n", `{"v":2,"kind":"start","digest":"-"}` + "\n" + `{"v":2,"kind":"blob","digest":"-","x":"y"}` + "\n" +
			`{"v":2,"kind":"failed","digest":"-","tool":"cfs-test","status":1}` + "\n", `{"v":2,"tool":"cfs-test","kind":"error","message":"no manifest","status":1}` + "\n", 1},
		{"", "blob - x=y\nfailed - status=75\n", start + "blob - x=y\nfailed - status=75\n", "", 75},
		{"", "failed -\n", start + "failed -\n", "", 1},
		{"", "garbage\n", start + failed + "1\n", "cfs-test: stdin: line 1: record \"garbage\": want a line KIND DIGEST [KEY=VALUE]\n", 1},
		{"", "blob - x=", start + failed + "1\n", "cfs-test: stdin: record on line 1 is cut off\n", 1},
		{"corrupt", "", failed + "4\n", "cfs-test: bad; data\n", 4},
		{"missing", "", failed + "3\n", "cfs-test: file does not exist\n", 3},
		{"hint", "", failed + "1\n", "cfs-test: no\ncfs-test: hint: do it\n", 1},
		{"silent", "", "", "", 9},
		{"--unknown", "", failed + "2\n", "cfs-test: unknown option --unknown\ncfs-test: hint: try --help\n", 2},
		{"corrupt --repo", "", failed + "2\n", "cfs-test: --repo needs a value\ncfs-test: hint: try --help\n", 2},
		{"--repo=", "", failed + "2\n", "cfs-test: --repo: its value is empty\ncfs-test: hint: try --help\n", 2},
		{"--progress loud", "", failed + "2\n", "cfs-test: --progress \"loud\": want auto, plain, json or none\ncfs-test: hint: try --help\n", 2},
		{"--json --progress loud", "", `{"v":2,"kind":"failed","digest":"-","tool":"cfs-test","status":2}` + "\n",
			`{"v":2,"tool":"cfs-test","kind":"error","message":"--progress \"loud\": want auto, plain, json or none","status":2,"hint":"try --help"}` + "\n", 2},
		{"--progress json hint", "", failed + "1\n", `{"v":2,"tool":"cfs-test","kind":"error","message":"no","status":1,"hint":"do it"}` + "\n", 1},
		{"--all --name x", "", failed + "2\n", "cfs-test: --all and --name are mutually exclusive\ncfs-test: hint: try --help\n", 2},
		{"ls x --all y", "", "all=true [\"x\" \"y\"]\n", "", 0},
		{"ls -- --all h", "", "all=false [\"--all\" \"h\"]\n", "", 0},
		{"ls help", "", "all=false [\"help\"]\n", "", 0},
		{"ls --repo=", "", "", "cfs-test: --repo: its value is empty\ncfs-test: hint: try --help\n", 2},
		{"ls --unknown", "", "", "cfs-test: unknown option --unknown\ncfs-test: hint: try --help\n", 2},
		{"ls --al", "", "", "cfs-test: unknown option --al; did you mean --all?\ncfs-test: hint: try --help\n", 2},
		{"--version", "", version.String(), "", 0},
		{"-V", "", version.String(), "", 0},
		{"-v", "", failed + "2\n", "cfs-test: unknown option -v\ncfs-test: hint: try --help\n", 2},
		{"ls --timeout 5", "", "", "cfs-test: --timeout \"5\": want a number and a unit, as in 5s, 90m or 48h\ncfs-test: hint: try --help\n", 2},
		{"ls --all=yes:", "", "", "cfs-test: --all \"yes:\": want true or false\ncfs-test: hint: try --help\n", 2},
	} {
		stdout, stderr, status := run(t, v.stdin, strings.Fields(v.args)...)
		if stdout != v.stdout || stderr != v.stderr || status != v.status {
			t.Errorf("cfs-test %s: status %d, stdout\n%sstderr\n%swant status %d, stdout\n%sstderr\n%s", v.args, status, stdout, stderr, v.status, v.stdout, v.stderr)
		}
	}
	for _, args := range [][]string{{""}, {"x", ""}} {
		if stdout, stderr, status := run(t, "", args...); stdout != failed+"2\n" || stderr != "cfs-test: an operand is empty\ncfs-test: hint: try --help\n" || status != 2 {
			t.Errorf("%q: status %d, %q, %q", args, status, stdout, stderr)
		}
	}
}

// TestHelp: on stdout, with the exit statuses, and without defaults that say nothing.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"ls", "--help"}, {"x", "-h"}, {"ls", "x", "--help"}, {"--help", "ls"}} {
		stdout, stderr, status := run(t, "", args...)
		if status != 0 || stderr != "" || !strings.Contains(stdout, exitStatuses) || strings.Contains(stdout, "default: false") || strings.Contains(stdout, "--help, -h\n   help") {
			t.Errorf("%q: status %d, %q, %q", args, status, stdout, stderr)
		}
	}
}

// TestCompletion: what can come next, for a shell; nothing where operands come, and never
// is the command run.
func TestCompletion(t *testing.T) {
	for _, v := range []struct{ args, want string }{
		{"--generate-bash-completion", "ls\n"},
		{"ls -- --generate-bash-completion", ""},
		{"-- corrupt --generate-bash-completion", ""},
	} {
		stdout, stderr, status := run(t, "", strings.Fields(v.args)...)
		if stdout != v.want || stderr != "" || status != 0 {
			t.Errorf("%q: status %d, %q, %q", v.args, status, stdout, stderr)
		}
	}
	stdout, _, status := run(t, "", "ls", "--re", completion)
	if !strings.Contains(stdout, "--repo") || strings.Contains(stdout, "all=") || status != 0 {
		t.Errorf("options: status %d, %q", status, stdout)
	}
}

// TestMainReturns: in this process too, where a shell asks for what comes behind "--".
func TestMainReturns(t *testing.T) {
	args := os.Args
	t.Cleanup(func() {
		os.Args = args
		debug.SetGCPercent(100)
	})
	os.Args = []string{"cfs-test", "--", completion}
	Main(newTool())
}
