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
// "app" in an OCI image layout "layout". Repositories are insecure there: not every file
// system has fs-verity.
func TestDocuments(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for name, needs := range map[string]string{"sealing.md": "openssl"} {
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
			layout := dir + "/layout"
			imagetest.Make(t, layout, imagetest.SmallLayers(t)...)
			imagetest.NewLayout(t, layout).Name("app", imagetest.Top(t, layout))
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
