package splitstream_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// A stream is cut into literal bytes, which the file itself holds, and an object, which
// stands in a repository. Join puts it together again.
func Example() {
	const content = "content of a file"
	object := verity.SHA256.Sum([]byte(content))

	w, err := splitstream.NewWriter(verity.SHA256, splitstream.Blob, nil)
	if err != nil {
		panic(err)
	}
	defer w.Close()
	io.WriteString(w, "head\n")
	w.WriteObject(object, uint64(len(content)))
	io.WriteString(w, "\ntail\n")
	var file bytes.Buffer
	if err := w.Finish(&file); err != nil {
		panic(err)
	}

	s, err := splitstream.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		panic(err)
	}
	defer s.Close()
	fmt.Println(s.Size, "bytes,", len(s.Objects), "object")
	_, err = s.Join(os.Stdout, func(id verity.ID) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil // of a repository: r.Objects.Open(id)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 28 bytes, 1 object
	// head
	// content of a file
	// tail
}
