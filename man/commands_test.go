package man

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are what shows commands to users: what stands in fences in Markdown, and
// scripts as a whole.
func documents(t *testing.T) (list []string) {
	t.Helper()
	for _, pattern := range []string{"../*.md", "../docs/*.md", "*.md", "common/*.md", "../examples/*", "../scripts/demo"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	return slices.DeleteFunc(list, func(name string) bool { return strings.HasSuffix(name, ".go") })
}

var (
	separator = regexp.MustCompile(`\|\|?|&&|;|\$\(|\)|\bdo\b`)
	toolName  = regexp.MustCompile(`^cfs-(fetch|import|mkerofs|link|gc|mount|pull)$`)
)

// commands returns the commands in a text that run our tools, as words.
func commands(text string) (list [][]string) {
	for _, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		line, _, _ = strings.Cut(line, " # ")
		if strings.Contains(line, "-->") || strings.Contains(line, "<--") {
			continue // a drawing
		}
		for _, part := range separator.Split(line, -1) {
			words := strings.Fields(strings.Trim(part, "`@$+#! \t"))
			i := slices.IndexFunc(words, toolName.MatchString)
			if i == 0 || i > 0 && slices.Contains([]string{"if", "run", "sudo", "!", "--"}, words[i-1]) {
				list = append(list, words[i:])
			}
		}
	}
	return list
}

// fenced returns what stands in fences.
func fenced(text string) string {
	var out []string
	for i, part := range strings.Split("\n"+text, "\n```") {
		if i%2 == 1 {
			out = append(out, part)
		}
	}
	return strings.Join(out, "\n")
}

// TestCommands checks that the commands in documents have options that there are, and
// commands of tools that there are.
func TestCommands(t *testing.T) {
	t.Parallel()
	tools := help(t)
	checked := 0
	for _, name := range documents(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code := string(text)
		if strings.HasSuffix(name, ".md") {
			code = fenced(code)
		}
		for _, words := range commands(code) {
			checked++
			if problem := wrong(tools[words[0]], words[1:]); problem != "" {
				t.Errorf("%s: %q: %s", name, strings.Join(words, " "), problem)
			}
		}
	}
	if checked < 40 {
		t.Errorf("only %d commands found", checked)
	}
}

// wrong says what of a command there is not.
func wrong(tool *command, words []string) string {
	flags := tool.flags
	if len(words) > 0 && tool.subs[words[0]] != nil {
		flags = tool.subs[words[0]].flags
	} else if len(words) > 0 && len(tool.subs) > 0 && regexp.MustCompile(`^[a-z]+$`).MatchString(words[0]) {
		return "there is no command " + words[0]
	}
	for _, word := range words {
		if word == "--" {
			break
		}
		if flag := long.FindString(word); strings.HasPrefix(word, "--") && !flags[flag] {
			return "there is no option " + word
		}
	}
	return ""
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

// TestLinks checks that the files to which documents link exist.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, name := range documents(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") || !strings.HasSuffix(name, ".md") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
