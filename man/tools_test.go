// Package man tests what the project tells its users, against the tools: the manual
// pages, the commands in all documents, the examples, the demo, and the completion of
// bash.
package man

import (
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

func TestMain(m *testing.M) { cmdtest.Main(m) }

// command is what --help tells of a tool, or of one of its commands.
type command struct {
	flags map[string]bool // "--long"
	subs  map[string]*command
}

// all returns the options of the command and of its commands.
func (c *command) all() map[string]bool {
	list := maps.Clone(c.flags)
	for _, sub := range c.subs {
		maps.Copy(list, sub.flags)
	}
	return list
}

// help reads what each tool says about itself.
func help(t *testing.T) map[string]*command {
	t.Helper()
	paths, err := filepath.Glob(cmdtest.Tools(t) + "/cfs-*")
	if err != nil {
		t.Fatal(err)
	}
	tools := make(map[string]*command)
	for _, path := range paths {
		tool := ask(t, path)
		for sub := range tool.subs {
			tool.subs[sub] = ask(t, path, sub)
		}
		tools[filepath.Base(path)] = tool
	}
	if len(tools) != 7 {
		t.Fatalf("there are %d tools, want six and cfs-pull", len(tools))
	}
	// It hands on what it does not know.
	maps.Copy(tools["cfs-pull"].flags, tools["cfs-fetch"].flags)
	return tools
}

var (
	long    = regexp.MustCompile(`--[a-z][a-z-]*`)
	heading = regexp.MustCompile(`^[A-Z][A-Z ]*:$`)
)

// ask reads the output of --help: options and commands stand at the start of indented
// lines, two spaces before what is said about them.
func ask(t *testing.T, args ...string) *command {
	t.Helper()
	args = append(args, "--help")
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	c := &command{map[string]bool{}, map[string]*command{}}
	section := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		if heading.MatchString(line) {
			section = line
		}
		word := strings.TrimSpace(line)
		head, _, _ := strings.Cut(word, "  ")
		switch {
		case strings.HasPrefix(line, "  ") && strings.HasPrefix(word, "-"):
			for _, flag := range long.FindAllString(head, -1) {
				c.flags[flag] = true
			}
		case strings.HasPrefix(line, "   ") && section == "COMMANDS:":
			c.subs[head] = nil
		}
	}
	if len(c.flags) == 0 {
		t.Fatalf("%v: no options found in:\n%s", args, out)
	}
	return c
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
