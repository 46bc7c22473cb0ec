package tool

import (
	"io"
	"os"
)

// OpenInput opens the file of a name, or stdin if that is "-".
func OpenInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return os.Stdin, nil
	}
	return os.Open(name)
}
