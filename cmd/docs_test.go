package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// shellBlock is a block of commands in a document.
var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestDocuments runs the commands of documents, from top to bottom, in a folder with an image
// "app" in an OCI image layout "layout", and two versions of a bootable one in "layout-1" and
// "layout-2". Repositories are insecure there: not every file system has fs-verity.
func TestDocuments(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for name, needs := range map[string]string{"sealing.md": "openssl", "booting.md": "sed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(needs); err != nil {
				t.Skip("SKIPPED: ", err)
			}
			text, err := os.ReadFile("../docs/" + name)
			if err != nil {
				t.Fatal(err)
			}
			dir := cmdtest.Scratch(t)
			appLayout(t, dir+"/layout", imagetest.SmallLayers(t))
			for _, version := range []string{"1", "2"} {
				appLayout(t, dir+"/layout-"+version, imagetest.DumpLayers(t, fileLine("/boot/x", "")+fileLine("/sysroot/x", "")+
					fileLine("/usr/lib/os-release", "ID=app\nVERSION_ID="+version+"\n")+
					fileLine("/usr/lib/modules/6.1/vmlinuz", "kernel")+fileLine("/usr/lib/modules/6.1/initramfs.img", "initramfs")))
			}
			code := "set -e; cd " + dir + "\n"
			blocks := shellBlock.FindAllStringSubmatch(string(text), -1)
			for _, b := range blocks {
				code += strings.ReplaceAll(b[1], "--init", "--init --insecure --progress none")
			}
			if len(blocks) == 0 {
				t.Fatal("no commands")
			}
			must(t, filepath.Join(dir, "repo"), code)
		})
	}
}

// appLayout makes a layout with an image of layers that is named "app".
func appLayout(t *testing.T, dir string, layers [][]byte) {
	t.Helper()
	imagetest.Make(t, dir, layers...)
	imagetest.NewLayout(t, dir).Name("app", imagetest.Top(t, dir))
}
