package man

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// shells are how to ask shells what they offer for a command line; the words are in its
// output, one a line, with descriptions behind a tab.
var shells = map[string]string{
	"fish": `source ../scripts/completion.fish; complete -C $argv[1]`,
	"zsh": `
		words=(${(z)1}) tab=$'\t'
		[[ $1 != *' ' ]] || words+=('')
		CURRENT=$#words
		# compadd and _files work inside the line editor alone: print what they are to add.
		compadd() { local name=${@[-1]}; print -rl -- ${(P)name} }
		_files() { ((# == 0)) && print -rl -- ${words[CURRENT]}*(N) || print -rl -- ${words[CURRENT]}*(N/) }
		complete() { source ../scripts/completion.zsh }
		complete`,
}

// TestShells checks that zsh and fish offer what cfs-complete prints.
func TestShells(t *testing.T) {
	t.Parallel()
	cmdtest.Slow(t)
	repo := filepath.Join(t.TempDir(), "repo")
	cmdtest.Must(t, "", `cfs-pull --repo "$REPO" --init --insecure --platform linux/amd64 oci:../testdata/demo-image:latest 'a $b:1'`, "REPO="+repo)
	for shell, code := range shells {
		t.Run(shell, func(t *testing.T) { testShell(t, shell, code, repo) })
	}
}

func testShell(t *testing.T, shell, code, repo string) {
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	for line, want := range map[string]string{
		"cfs-link un":                     "untag",
		"cfs-link untag ":                 "a $b:1",
		"cfs c":                           "cat|check",
		"cfs-mkerofs karg --hash ":        "sha256|sha512",
		"cfs-gc check --re":               "--repair|--repo",
		"cfs-pull oc":                     "oci-archive:|oci:",
		"cfs-pull oci:../testdata/demo-i": "oci:../testdata/demo-image/",
		"cfs-mount x ../testd":            "../testdata",
		"cfs-mkerofs measure ../testd":    "../testdata",
	} {
		args := []string{"-c", code, line}
		if shell == "zsh" {
			args = []string{"-f", "-c", code, "zsh", line}
		}
		c := exec.Command(path, args...)
		c.Env = cmdtest.Env(t, "COMPOSEFS_REPO="+repo, "HOME="+t.TempDir())
		c.Stderr = os.Stderr
		out, err := c.Output()
		if err != nil {
			t.Errorf("%s: %s: %v", shell, line, err)
		}
		typed := line[strings.LastIndexByte(line, ' ')+1:]
		var got []string
		for word := range strings.Lines(string(out)) {
			word, _, _ = strings.Cut(strings.TrimSuffix(word, "\n"), "\t")
			word = strings.TrimSuffix(word, "/")
			if strings.HasPrefix(word, typed) && word != "" {
				got = append(got, word)
			}
		}
		slices.Sort(got)
		if got := strings.Join(slices.Compact(got), "|"); got != strings.TrimSuffix(want, "/") {
			t.Errorf("%s: %q completes to %q, want %q", shell, line, got, want)
		}
	}
}
