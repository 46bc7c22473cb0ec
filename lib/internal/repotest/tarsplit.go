package repotest

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc64"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TarSplit takes a tar apart: it writes the content of its files below dir, and returns the rest as tar-split.
func TarSplit(t testing.TB, text []byte, dir string) []byte {
	t.Helper()
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	in := bytes.NewReader(text)
	r, last := tar.NewReader(struct{ io.Reader }{in}), 0
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		at := len(text) - in.Len()
		content := text[at : at+int(h.Size)]
		lines.Encode(map[string]any{"type": 2, "payload": text[last:at]})
		sum := binary.BigEndian.AppendUint64(nil, crc64.Checksum(content, crc64.MakeTable(crc64.ISO)))
		lines.Encode(map[string]any{"type": 1, "name": h.Name, "size": h.Size, "payload": sum})
		last = at + len(content)
		if h.Typeflag != tar.TypeReg {
			continue
		}
		name := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lines.Encode(map[string]any{"type": 2, "payload": text[last:]})
	return out.Bytes()
}
