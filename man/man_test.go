package man

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	include  = regexp.MustCompile(`(?m)^@include (\S+)$`)
	boldFlag = regexp.MustCompile(`\*\*(--[a-z][a-z-]*)`)
	boldTerm = regexp.MustCompile(`(?m)^\*\*([a-z-]+)\*\*\n:`)
	seeAlso  = regexp.MustCompile(`\*\*(cfs|cfs-[a-z]+|mkcomposefs|composefs-[a-z]+|mount\.composefs)\*\*\(([1-8])\)`)
)

// page returns a page with what it includes.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return include.ReplaceAllStringFunc(string(text), func(line string) string {
		part, err := os.ReadFile(include.FindStringSubmatch(line)[1])
		if err != nil {
			t.Fatal(err)
		}
		return string(part)
	})
}

// section returns what stands under a heading of a page.
func section(text, name string) string {
	_, text, _ = strings.Cut(text, "\n## "+name+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// TestPages checks that each tool has a page, and that it tells of each option and
// each command, and of no other.
func TestPages(t *testing.T) {
	t.Parallel()
	for name, tool := range help(t) {
		text := page(t, name+".1.md")
		for _, want := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"} {
			if section(text, want) == "" {
				t.Errorf("%s.1.md: no section %s", name, want)
			}
		}
		flags := make(map[string]bool)
		for _, m := range boldFlag.FindAllStringSubmatch(text, -1) {
			flags[m[1]] = true
		}
		want := tool.all()
		if name == "cfs-pull" { // its page sends to the one of cfs-fetch for others
			want = maps.Clone(tool.own)
			want["--help"] = true
		}
		if got := sorted(flags); !slices.Equal(got, sorted(want)) {
			t.Errorf("%s.1.md has the options\n%s, the tool\n%s", name, got, sorted(want))
		}
		subs := make(map[string]bool)
		for _, m := range boldTerm.FindAllStringSubmatch(section(text, "COMMANDS"), -1) {
			subs[m[1]] = true
		}
		for sub := range tool.subs {
			if !subs[sub] {
				t.Errorf("%s.1.md: nothing about the command %s", name, sub)
			}
			delete(subs, sub)
		}
		if len(subs) > 0 {
			t.Errorf("%s.1.md: the tool has no commands %s", name, sorted(subs))
		}
	}
}

// TestSeeAlso checks that the pages that are named exist.
func TestSeeAlso(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.[1-8].md")
	if err != nil || len(pages) < 8 {
		t.Fatalf("%d pages, error %v", len(pages), err)
	}
	for _, name := range pages {
		for _, m := range seeAlso.FindAllStringSubmatch(page(t, name), -1) {
			if !slices.Contains(pages, m[1]+"."+m[2]+".md") {
				t.Errorf("%s: there is no page %s(%s)", name, m[1], m[2])
			}
		}
	}
}

// TestBuild builds the pages, and has man(1) read them.
func TestBuild(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.Command("../scripts/man", dir).CombinedOutput(); err != nil {
		t.Fatalf("scripts/man: %v\n%s", err, out)
	}
	sources, _ := filepath.Glob("*.[1-8].md")
	built, err := filepath.Glob(dir + "/*.[1-8]")
	if err != nil || len(built) != len(sources) {
		t.Fatalf("%d pages of %d, error %v", len(built), len(sources), err)
	}
	for _, name := range built {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(name)
		if head := ".TH " + strings.TrimSuffix(base, filepath.Ext(base)) + " " + filepath.Ext(base)[1:]; !strings.Contains(string(text), head) {
			t.Errorf("%s does not begin with %q", name, head)
		}
		if strings.Contains(string(text), "@include") {
			t.Errorf("%s: something was not included", name)
		}
	}
	man, err := exec.LookPath("man")
	if err != nil {
		t.Skipf("SKIPPED, the pages were not shown: %v", err)
	}
	for _, name := range built {
		show := exec.Command(man, "--warnings", "-l", name)
		show.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80", "MANPAGER=cat")
		var stderr strings.Builder
		show.Stderr = &stderr
		out, err := show.Output()
		if err != nil || stderr.Len() > 0 || !strings.Contains(string(out), "SEE ALSO") {
			t.Errorf("man %s: %v\n%s\n%s", name, err, &stderr, out)
		}
	}
}
