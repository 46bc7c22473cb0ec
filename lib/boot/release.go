package boot

import (
	"fmt"
	"io"
	"strings"

	"cfs/lib/tree"
)

// maxName is how many bytes of a name of a system are shown.
const maxName = 128

// Release is what a file system says of its operating system in os-release. It is text of
// the image: control characters are question marks, and each value has at most 128 bytes.
type Release struct {
	ID      string
	Title   string // PRETTY_NAME, NAME or ID
	Version string // IMAGE_VERSION or VERSION_ID
	SortKey string // IMAGE_ID or ID
}

// ReadRelease reads os-release(5). That there is none, or not where a path without symbolic
// links leads, is fine: all is empty then.
func ReadRelease(root *tree.Inode, content tree.Content) (Release, error) {
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		n, err := FileAt(root, path)
		if err != nil {
			continue
		}
		text, err := readText(n, content)
		if err != nil {
			return Release{}, fmt.Errorf("%s: %w", path, err)
		}
		o := parseOSRelease(text)
		return Release{
			ID: plain(o.first("ID")), Title: plain(o.first("PRETTY_NAME", "NAME", "ID")),
			Version: plain(o.first("IMAGE_VERSION", "VERSION_ID")), SortKey: plain(o.first("IMAGE_ID", "ID")),
		}, nil
	}
	return Release{}, nil
}

func readText(n *tree.Inode, content tree.Content) (string, error) {
	if n.Size == 0 {
		return "", nil
	}
	in, err := content(n)
	if err != nil {
		return "", err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxText))
	return string(text), err
}

// plain returns a text that is one line of an entry, and no more.
func plain(s string) string {
	s = strings.Map(func(c rune) rune {
		if isControl(c) || c == '\u2028' || c == '\u2029' {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "")
	}
	return strings.TrimSpace(s)
}
