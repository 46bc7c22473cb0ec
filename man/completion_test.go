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

// complete returns what bash offers for a command line with the cursor at its end. Bash
// itself cuts the line: a here-string is its input, and the last of its words is
// completed.
func complete(t *testing.T, repo, line string) []string {
	t.Helper()
	const script = `
		. ../scripts/completion.bash
		COMP_LINE=$1 COMP_POINT=${#1}
		# words as readline cuts them: at spaces, = and : are words of their own
		read -ra COMP_WORDS <<<"$(sed 's/[=:]/ & /g' <<<"$1")"
		[[ $1 != *[[:space:]=:] ]] || COMP_WORDS+=('')
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_cfs "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		printf '%s\n' "${COMPREPLY[@]}"`
	bash := exec.Command("bash", "--norc", "-c", script, "bash", line)
	bash.Env = cmdtest.Env(t, "COMPOSEFS_REPO="+repo)
	bash.Stderr = os.Stderr
	out, err := bash.Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	words := strings.Fields(string(out))
	slices.Sort(words)
	return slices.Compact(words)
}

// cfsNames returns the commands of cfs.
func cfsNames(t *testing.T) map[string]bool {
	names := map[string]bool{"help": true}
	for name := range cfsTable(t) {
		names[name] = true
	}
	return names
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	tools := help(t)
	repo, other, trap := filepath.Join(t.TempDir(), "repo"), filepath.Join(t.TempDir(), "other"), filepath.Join(t.TempDir(), "trap")
	pull := func(args ...string) {
		t.Helper()
		c := exec.Command(cmdtest.Tools(t)+"/cfs-pull", append([]string{"--init", "--insecure", "--platform", "linux/amd64"}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, out)
		}
	}
	const image = "oci:../testdata/demo-image:latest"
	pull("--repo", repo, image, "web:1")
	pull("--repo", repo, image, "web:2")
	pull("--repo", repo, image, "$(touch${IFS}"+trap+")")
	pull("--repo", other, image, "elsewhere")
	cmdtest.Must(t, "", "cfs-mkerofs --image web:1 --store --ref mine --repo "+repo)
	_, ids, _ := strings.Cut(cmdtest.Must(t, "", "cfs-link ls --repo "+repo+" | grep ^web:1"), "\t")
	manifest, digest, _ := strings.Cut(strings.TrimSpace(ids), "\t")
	for line, want := range map[string]string{
		"cfs ":                                  strings.Join(sorted(cfsNames(t)), " "),
		"cfs un":                                "untag",
		"cfs help pu":                           "pull push-signatures",
		"cfs untag web:":                        "1 2",
		"cfs check --re":                        "--repair --repo",
		"cfs link un":                           "untag",
		"cfs-fetch ":                            "cat composefs: dir: docker-archive: docker:// inspect oci-archive: oci: push-signatures",
		"cfs-fetch push-signatures ../test":     "../testdata",
		"cfs-fetch push-signatures x d":         "docker://",
		"cfs-fetch oci:../testdata/demo":        "../testdata/demo-image/",
		"cfs-fetch oci:../testdata/demo-image:": "latest",
		"cfs-pull oci:../testdata/demo-image:l": "latest",
		"cfs-pull oci:x we":                     "web:1 web:2",
		"cfs-link why c3db":                     digest,
		"cfs-link why sha256:ab49":              strings.TrimPrefix(manifest, "sha256:"),
		"cfs-link show sha256:ab49":             strings.TrimPrefix(manifest, "sha256:"),
		"cfs-link show c3db":                    digest,
		"cfs-mount web:1 ../test":               "../testdata",
		"cfs-mount -o up":                       "upperdir=",
		"cfs-mount --upperdir ../test":          "../testdata",
		"cfs-import --erofs-version=":           "0 1 2",
		"cfs-import --erofs-version ":           "0 1 2",
		"cfs-link un":                           "untag",
		"cfs-link untag refs/":                  "refs/mine",
		"cfs-mount refs/":                       "refs/mine",
		"cfs-mkerofs ls refs/":                  "refs/mine",
		"cfs-mkerofs --image refs/":             "refs/mine",
		"cfs-link which ":                       "",
		"cfs-link inspect --man":                "--manifest",
		"cfs graph web:":                        "1 2",
		"cfs-link untag web:":                   "1 2",
		"cfs-link --repo " + repo + " s":        "seal show sign",
		"cfs-link untag --repo " + other + " ":  "elsewhere",
		"cfs-link untag --repo=" + other + " ":  "elsewhere",
		"cfs-mount web:1":                       "1",
		"cfs-mkerofs --oci web":                 "web:1 web:2",
		"cfs-mkerofs b":                         "boot-entries",
		"cfs-mkerofs boot-entries web:":         "1 2",
		"cfs-mkerofs karg --hash ":              "sha256 sha512",
		"cfs-import --progress ":                "auto json none plain",
		"cfs-import --progress=p":               "plain",
		"cfs-import --repo ":                    "common",
		"cfs-gc inhibit -- cfs-link ":           "",
		"cfs-gc check --re":                     "--repair --repo",
		"cfs-pull o":                            "oci-archive: oci:",
	} {
		if got := strings.Join(complete(t, repo, line), " "); got != want {
			t.Errorf("%q completes to %q, want %q", line, got, want)
		}
	}
	if got := complete(t, repo, "cfs-link untag $"); len(got) != 1 || !strings.HasPrefix(got[0], `\$`) {
		t.Errorf("a tag with a command in it completes to %q", got)
	}
	if _, err := os.Lstat(trap); err == nil {
		t.Error("a tag was run as a command")
	}
	for name, tool := range tools {
		if got := complete(t, repo, name+" --"); !slices.Equal(got, sorted(tool.flags)) {
			t.Errorf("%s: the options %q, want %q", name, got, sorted(tool.flags))
		}
		for sub, c := range tool.subs {
			if got := complete(t, repo, name+" "+sub+" --"); !slices.Equal(got, sorted(c.flags)) {
				t.Errorf("%s %s: the options %q, want %q", name, sub, got, sorted(c.flags))
			}
		}
	}
}

// TestCompletionRunsNothing checks that a tool which is asked what can come next does
// nothing else, whatever stands before.
func TestCompletionRunsNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	for _, args := range [][]string{
		{"cfs-gc", "inhibit", "--", "touch", file},
		{"cfs-gc", "inhibit", "touch", file},
		{"cfs-mkerofs", "--dumpfile", "/dev/null", "-o", file},
	} {
		out, err := exec.Command(cmdtest.Tools(t)+"/"+args[0], append(args[1:], "--generate-bash-completion")...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		if _, err := os.Lstat(file); err == nil {
			t.Fatalf("%v was run", args)
		}
	}
}
