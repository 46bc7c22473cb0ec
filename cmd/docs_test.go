package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// docBlock is a block of commands in a document: of "sh" all lines are commands, of "console" those
// behind a "$ ", or ">" where a command goes on; what is between them is what they print, with
// "..." for what differs from machine to machine.
var docBlock = regexp.MustCompile("(?ms)^```(sh|console)\n(.*?)^```$")

// docCommand is a command of a document, and what it prints.
type docCommand struct {
	code, output string
	compared     bool
	root         bool // it is in a block that needs root, and mounts
}

// readDocument returns the commands of a document, in order.
func readDocument(t *testing.T, name string) (list []docCommand) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range docBlock.FindAllStringSubmatch(string(text), -1) {
		root := strings.Contains(block[2], "sudo ")
		if block[1] == "sh" {
			list = append(list, docCommand{code: strings.ReplaceAll(block[2], "--init", "--init --insecure --progress none"), root: root})
			continue
		}
		if !strings.HasPrefix(block[2], "$ ") {
			t.Errorf("%s: a block does not begin with a command:\n%s", name, block[2])
			continue
		}
		for line := range strings.Lines(block[2]) {
			last := len(list) - 1
			switch {
			case strings.HasPrefix(line, "$ "):
				list = append(list, docCommand{code: line[2:], compared: true, root: root})
			case strings.HasPrefix(line, "> "):
				list[last].code += line[2:]
			default:
				list[last].output += line
			}
		}
	}
	return list
}

// matches reports whether an output is what a document shows.
func (c docCommand) matches(output string) bool {
	if strings.TrimSpace(c.output) == "..." {
		return true
	}
	parts := strings.Split(strings.TrimRight(c.output, "\n"), "...")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*") + `\n*$`).MatchString(output)
}

// TestDocuments runs the commands of the documents, each document from top to bottom in a folder of its own, and
// compares what they print with what is shown. The folder has what a clone has after make: bin, testdata,
// examples. Beside these are an image "app" in an OCI image layout "layout", and two versions
// of a bootable one in "layout-1" and "layout-2".
func TestDocuments(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	var names []string
	for _, pattern := range []string{"../README.md", "../docs/*.md", "../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	for _, name := range names {
		commands := readDocument(t, name)
		if len(commands) == 0 {
			continue
		}
		t.Run(strings.TrimPrefix(name, "../"), func(t *testing.T) {
			t.Parallel()
			if filepath.Base(name) == "mounting-without-root.md" {
				needFUSE(t)
				if out, err := exec.Command("unshare", "-Urm", "true").CombinedOutput(); err != nil {
					t.Skipf("SKIPPED: no user namespaces here: %v, %s", err, out)
				}
			}
			for _, program := range documentPrograms[filepath.Base(name)] {
				if _, err := exec.LookPath(program); err != nil {
					t.Skip("SKIPPED: ", err)
				}
			}
			runDocument(t, documentFolder(t), commands)
		})
	}
}

// registryOf serves an image as app:1, and two versions of one with zstd:chunked layers as chunked:1 and
// chunked:2, for the documents that ask $REGISTRY for them.
func registryOf(t *testing.T, commands []docCommand) string {
	t.Helper()
	if !slices.ContainsFunc(commands, func(c docCommand) bool { return strings.Contains(c.code, "$REGISTRY") }) {
		return ""
	}
	r, layout := registrytest.DebianOpen(t), cmdtest.Scratch(t)
	imagetest.Make(t, layout, imagetest.SmallLayers(t)...)
	r.Push(t, layout, "app:1")
	updates := cmdtest.Root(t) + "/testdata/updates"
	for n, d := range imagetest.NewLayout(t, updates).ReadIndex().Manifests {
		r.PushImage(t, updates, d.Digest.String(), fmt.Sprintf("chunked:%d", n+1))
	}
	return r.Addr
}

// documentPrograms are those that documents need beside ours.
var documentPrograms = map[string][]string{"sealing.md": {"openssl"}}

// documentFolder makes the folder in which a document is tried.
func documentFolder(t *testing.T) string {
	t.Helper()
	dir := cmdtest.Scratch(t)
	appLayout(t, dir+"/layout", imagetest.SmallLayers(t))
	for _, version := range []string{"1", "2"} {
		appLayout(t, dir+"/layout-"+version, imagetest.DumpLayers(t, fileLine("/boot/x", "")+fileLine("/sysroot/x", "")+
			fileLine("/usr/lib/os-release", "ID=app\nVERSION_ID="+version+"\n")+
			fileLine("/usr/lib/modules/6.1/vmlinuz", "kernel")+fileLine("/usr/lib/modules/6.1/initramfs.img", "initramfs")))
	}
	root := cmdtest.Root(t)
	must(t, "", "cd "+dir+" && ln -s "+cmdtest.Tools(t)+" bin && cp -r "+root+"/testdata "+root+"/examples "+root+"/README.md . && mkdir mnt")
	return dir
}

// script is the code that runs the command, and sets $s to its status. All lines of a block of
// "sh" must succeed.
func (c docCommand) script() string {
	switch {
	case c.code == askStatus:
		return "echo $s; s=0"
	case c.compared:
		return "s=0\n{\n" + c.code + "} || s=$?"
	}
	return c.code + "s=0"
}

// askStatus is the command that shows that the one before it may fail.
const askStatus = "echo $?\n"

// documentStart goes before the commands: the tools are built already, and who runs this needs no sudo.
const documentStart = `set -e
cd %s
stty cols 80 rows 40
export NO_COLOR=1 TERM=dumb XDG_CACHE_HOME=$PWD/cache REGISTRY=%s
sudo() { "$@"; }
make() { [ $# = 0 ] || command make "$@"; }
`

// runDocument runs commands in one shell, so that each finds what those before it have left, on
// a terminal of 80 columns.
func runDocument(t *testing.T, dir string, commands []docCommand) {
	t.Helper()
	mounts := os.Geteuid() == 0 && shell(t, "", "unshare -m mount -t tmpfs none "+dir+"/mnt").Status == 0
	var script strings.Builder
	fmt.Fprintf(&script, documentStart, cmdtest.Quote(dir), registryOf(t, commands))
	for i, c := range commands {
		if c.root && !mounts {
			t.Logf("SKIPPED: this user cannot mount: %s", c.code)
			continue
		}
		fmt.Fprintf(&script, "printf '@@%d@@'\n%s\nprintf '@@%%d@@' $s\n", i, c.script())
	}
	name := dir + "/document.sh"
	if err := os.WriteFile(name, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run := "bash " + name + " 2>&1"
	if mounts {
		run = "unshare -m -p --fork --mount-proc " + run // where nobody else has the same images mounted
	}
	r := shell(t, filepath.Join(dir, "repo"), "script -qefc "+cmdtest.Quote(run)+" /dev/null </dev/null")
	r.Stdout = strings.ReplaceAll(r.Stdout, "\r\n", "\n")
	ran, compared := 0, 0
	for i, c := range commands {
		_, rest, found := strings.Cut(r.Stdout, fmt.Sprintf("@@%d@@", i))
		output, after, _ := strings.Cut(rest, "@@")
		status, _, _ := strings.Cut(after, "@@")
		if !found {
			if !c.root || mounts {
				t.Errorf("not run: %s", c.code)
			}
			continue
		}
		ran++
		asked := i+1 < len(commands) && commands[i+1].code == askStatus
		if status != "0" && !asked {
			t.Errorf("exit status %s: %s%s", status, c.code, output)
		}
		if c.compared {
			compared++
			if !c.matches(output) {
				t.Errorf("$ %sprints\n%s\nthe document shows\n%s", c.code, output, c.output)
			}
		}
	}
	t.Logf("%d commands run, %d outputs compared", ran, compared)
	if ran == 0 {
		t.Error("nothing was run")
	}
}

// appLayout makes a layout with an image of layers that is named "app".
func appLayout(t *testing.T, dir string, layers [][]byte) {
	t.Helper()
	imagetest.Make(t, dir, layers...)
	imagetest.NewLayout(t, dir).Name("app", imagetest.Top(t, dir))
}
