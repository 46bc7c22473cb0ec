// Package man compares the documentation with the tools: the manual pages, the commands in all
// documents, the examples, the demo, and the completion of bash.
package man

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"cfs/cmd/cmdtest"
)

func TestMain(m *testing.M) { cmdtest.Main(m) }

// command is what --help tells of a tool, or of one of its commands.
type command struct {
	flags map[string]bool // "--long"
	own   map[string]bool // those that it does not hand on to another tool
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

// asked is what the tools say about themselves, read once.
var asked struct {
	once  sync.Once
	tools map[string]*command
	err   error
}

// help returns what each tool says about itself. It is not to be changed.
func help(t *testing.T) map[string]*command {
	t.Helper()
	dir := cmdtest.Tools(t)
	asked.once.Do(func() { asked.tools, asked.err = askAll(dir) })
	if asked.err != nil {
		t.Fatal(asked.err)
	}
	return asked.tools
}

func askAll(dir string) (map[string]*command, error) {
	tools := make(map[string]*command)
	for _, name := range []string{"cfs-fetch", "cfs-import", "cfs-mkerofs", "cfs-link", "cfs-gc", "cfs-mount", "cfs-pull"} {
		tool, err := ask(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		for sub := range tool.subs {
			if tool.subs[sub], err = ask(filepath.Join(dir, name), sub); err != nil {
				return nil, err
			}
		}
		tools[name] = tool
	}
	// It hands on what it does not know.
	maps.Copy(tools["cfs-pull"].flags, tools["cfs-fetch"].flags)
	return tools, nil
}

var (
	long    = regexp.MustCompile(`--[a-z][a-z-]*`)
	heading = regexp.MustCompile(`^[A-Z][A-Z ]*:$`)
)

// ask reads the output of --help: options and commands stand at the start of indented
// lines, two spaces before what is said about them.
func ask(args ...string) (*command, error) {
	args = append(args, "--help")
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", args, err)
	}
	c := &command{flags: map[string]bool{}, subs: map[string]*command{}}
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
		return nil, fmt.Errorf("%v: no options found in:\n%s", args, out)
	}
	c.own = maps.Clone(c.flags)
	return c, nil
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
