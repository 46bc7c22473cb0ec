package pull

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// TestImportOddDocuments: a manifest or a config that two tools would read as two is refused
// by the stage that imports, too; what it does not read passes.
func TestImportOddDocuments(t *testing.T) {
	const odd = `{"schemaVersion":2,"layers":[],"Layers":[],"os":"a","OS":"b"}`
	path, d := file(t, []byte(odd)), digest.FromString(odd)
	for line, key := range map[string]string{
		fmt.Sprintf("manifest %s path=%s", d, path):                                      "Layers",
		fmt.Sprintf("config %s media-type=%s path=%s", d, v1.MediaTypeImageConfig, path): "OS",
		fmt.Sprintf("config %s media-type=application/x path=%s", d, path):               "",
		fmt.Sprintf("manifest %s path=%s", none, path):                                   "",
		fmt.Sprintf("manifest %s path=/no/such/file", d):                                 "",
		fmt.Sprintf("odd %s path=%s", d, path):                                           "",
		"manifest - path=" + path:                                                        "",
	} {
		_, err := importing(t, newRepo(t), line)
		if key == "" && err != nil || key != "" && (!corrupt.Is(err) || !strings.Contains(err.Error(), key)) {
			t.Errorf("%s: %v, want an error that names %q", line, err, key)
		}
	}
}
