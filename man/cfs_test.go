package man

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// cfsTable returns the commands of cfs, each with the tool that it stands for.
func cfsTable(t *testing.T) map[string]string {
	t.Helper()
	table := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+) +((?:cfs-|umount)\S*(?: \S+)?)  `).FindAllStringSubmatch(cmdtest.Must(t, "", "cfs help"), -1) {
		table[m[1]] = m[2]
	}
	if len(table) < 20 {
		t.Fatalf("only %d commands", len(table))
	}
	return table
}

// TestCfs checks that cfs runs what its help says, that all commands of the tools which
// look at repositories have a name there, and that the manual page has the same names.
func TestCfs(t *testing.T) {
	t.Parallel()
	tools, table := help(t), cfsTable(t)
	var targets []string
	for name, target := range table {
		targets = append(targets, target)
		if target == "umount" {
			continue
		}
		got := cmdtest.Must(t, "", "cfs "+name+" --help && cfs help "+name)
		if want := cmdtest.Must(t, "", target+" --help && "+target+" --help"); got != want {
			t.Errorf("cfs %s --help is not that of %s", name, target)
		}
	}
	for _, tool := range []string{"cfs-link", "cfs-gc", "cfs-mkerofs"} {
		for sub := range tools[tool].subs {
			if !slices.Contains(targets, tool+" "+sub) {
				t.Errorf("%s %s has no name in scripts/cfs", tool, sub)
			}
		}
	}
	var documented []string
	for line := range strings.Lines(section(page(t, "cfs.1.md"), "COMMANDS")) {
		if strings.HasPrefix(line, "**") {
			documented = append(documented, regexp.MustCompile(`[a-z-]+`).FindAllString(line, -1)...)
		}
	}
	slices.Sort(documented)
	var names []string
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	if !slices.Equal(names, documented) {
		t.Errorf("cfs.1.md has the commands\n%s, scripts/cfs\n%s", documented, names)
	}
}

// TestCfsRuns checks that arguments and exit statuses pass through, and what is wrong use.
func TestCfsRuns(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	s.must(`cfs init --insecure && cfs pull --progress none --platform linux/amd64 $IMAGE 'a b'`)
	if got, want := s.must(`cfs ls`), s.must(`cfs-link ls`); got != want || !strings.HasPrefix(got, "a b\t") {
		t.Errorf("cfs ls prints %q, cfs-link ls %q", got, want)
	}
	s.must(`cfs untag 'a b' && [ -z "$(cfs ls)" ]`)
	for code, want := range map[string]struct {
		status int
		stderr string
	}{
		"cfs show nope":   {3, "nope"},
		"cfs":             {2, "usage: cfs COMMAND"},
		"cfs lst":         {2, `no command "lst"; there are: pull init ls `},
		"cfs help lst":    {2, `no command "lst"`},
		"cfs ''":          {2, "usage"},
		"cfs --repo x ls": {2, "COMMAND"},
	} {
		r := cmdtest.Shell(t, s.dir, code, s.vars...)
		if r.Status != want.status || r.Stdout != "" || !strings.Contains(r.Stderr, want.stderr) {
			t.Errorf("%s: %+v", code, r)
		}
	}
	if r := cmdtest.Shell(t, s.dir, "cfs --version"); !strings.HasPrefix(r.Stdout, "cfs version ") || r.Status != 0 {
		t.Errorf("cfs --version: %+v", r)
	}
}

// TestStandIns checks that the pages of the stand-ins for the tools of the C project have
// the options that their --help has.
func TestStandIns(t *testing.T) {
	t.Parallel()
	dir := cmdtest.Tools(t)
	for _, name := range []string{"mkcomposefs.1", "composefs-info.1"} {
		tool := strings.TrimSuffix(name, ".1")
		out, err := exec.Command(dir+"/"+tool, "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		_, out2, _ := strings.Cut(string(out), "\n\n")
		flags := make(map[string]bool)
		for _, flag := range long.FindAllString(out2, -1) {
			flags[flag] = true
		}
		documented := make(map[string]bool)
		for _, m := range boldFlag.FindAllStringSubmatch(section(page(t, name+".md"), "OPTIONS"), -1) {
			documented[m[1]] = true
		}
		if got, want := sorted(documented), sorted(flags); !slices.Equal(got, want) {
			t.Errorf("%s has the options %s, --help %s", name, got, want)
		}
	}
	text, err := os.ReadFile("mount.composefs.8.md")
	if err != nil {
		t.Fatal(err)
	}
	help := cmdtest.Must(t, "", "mount.composefs --help")
	for _, option := range []string{"basedir=", "repo=", "digest=", "verity", "tryverity", "upperdir=", "workdir=", "idmap=", "ro", "rw"} {
		if !strings.Contains(string(text), "**"+option) || !strings.Contains(help, option) {
			t.Errorf("mount.composefs: nothing about %s", option)
		}
	}
}
