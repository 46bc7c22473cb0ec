package boot

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"cfs/lib/corrupt"
)

// fileKeys are the keys of a BLS entry whose values are paths of files.
var fileKeys = []string{"linux", "initrd", "efi", "uki", "devicetree", "devicetree-overlay"}

// line returns the key and the value of a line as a boot loader reads it, which, unlike
// Values, does not mind blanks before the key.
func blsLine(line string) (key, value string) {
	line = strings.Trim(line, " \t\r")
	end := strings.IndexAny(line, " \t")
	if end < 0 {
		return line, ""
	}
	return line[:end], strings.TrimLeft(line[end:], " \t")
}

// CheckLines returns an error if loaders may read other lines or keys than there are: at a NUL the
// text ends for them, at a carriage return a line may, and a form feed is a blank for some.
func (b BLS) CheckLines() error {
	for i, line := range b.lines {
		if strings.ContainsFunc(strings.TrimSuffix(line, "\r"), func(c rune) bool { return c != '\t' && unicode.IsControl(c) }) {
			return corrupt.Errorf("line %d contains a NUL, a carriage return or another control character", i+1)
		}
	}
	return nil
}

// Paths returns the paths of all files that the entry names, in order.
func (b BLS) Paths() (paths []string) {
	for _, line := range b.lines {
		switch key, value := blsLine(line); {
		case key == "devicetree-overlay":
			paths = append(paths, strings.Fields(value)...)
		case slices.Contains(fileKeys, key):
			paths = append(paths, value)
		}
	}
	return paths
}

// Images returns the EFI executables that the entry starts, instead of a kernel.
func (b BLS) Images() (paths []string) {
	for _, line := range b.lines {
		if key, value := blsLine(line); key == "efi" || key == "uki" {
			paths = append(paths, value)
		}
	}
	return paths
}

// Options returns the kernel command line as a loader joins it.
func (b BLS) Options() string {
	var all []string
	for _, line := range b.lines {
		if key, value := blsLine(line); key == "options" {
			all = append(all, value)
		}
	}
	return strings.Join(all, " ")
}

// Value returns the last value of a key, "" if there is none.
func (b BLS) Value(key string) (value string) {
	for _, line := range b.lines {
		if k, v := blsLine(line); k == key {
			value = v
		}
	}
	return value
}

// Rewrite returns the text of the entry with other paths, and with options as its only line
// of options, or none if that is empty. All other lines stay as they are.
func (b BLS) Rewrite(place func(path string) string, options string) []byte {
	var out []string
	set := options == ""
	for _, line := range b.lines {
		key, value := blsLine(line)
		switch {
		case key == "options" && set:
			continue
		case key == "options":
			line, set = "options "+options, true
		case key == "devicetree-overlay":
			words := strings.Fields(value)
			for i := range words {
				words[i] = place(words[i])
			}
			line = key + " " + strings.Join(words, " ")
		case slices.Contains(fileKeys, key):
			line = key + " " + place(value)
		}
		out = append(out, line)
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	if !set {
		out = append(out, "options "+options)
	}
	return []byte(strings.Join(out, "\n") + "\n")
}

// KernelText returns the text of an entry for a kernel.
func KernelText(title, version, sortKey, linux, initrd, options string) []byte {
	return fmt.Appendf(nil, "# File created by cfs-link\ntitle %s\nversion %s\nsort-key %s\nlinux %s\ninitrd %s\noptions %s\n",
		title, version, sortKey, linux, initrd, options)
}
