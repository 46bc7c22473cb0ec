// Package bootable finds what a container image in the repository can boot: its boot entries,
// whether their command lines name its boot image, and the kernel argument that would.
//
// Package boot parses entries, unified kernel images and kernel arguments; this package combines
// them with the repository, which has the content of files and the boot images.
package bootable

import (
	"io"
	"strconv"
	"strings"

	"cfs/lib/dumpfile"
	"cfs/lib/record"
)

// Make is the command that makes a boot image for what is tagged NAME.
const Make = "cfs-link show NAME | cfs-mkerofs --bootable | cfs-link --tag NAME"

// Entry describes a boot entry. What an entry does not have is empty.
type Entry struct {
	Kind      string
	Path      string
	Version   string // of the kernel
	Title     string
	Files     []string // that are loaded too
	Cmdline   string
	Digest    string // of the image that the command line names
	BootImage string // the reference by which the config has it
	Explain   string // the command that says why it is another one
	Make      string // the command that makes a boot image
	Problem   string
}

// WriteJSON writes the entry as a JSON object on a line.
func (e Entry) WriteJSON(w io.Writer) error {
	var files []record.Text
	for _, f := range e.Files {
		files = append(files, record.Text(f))
	}
	return record.WriteJSON(w, struct {
		V         int           `json:"v"`
		Kind      string        `json:"kind"`
		Path      record.Text   `json:"path"`
		Version   record.Text   `json:"version,omitempty"`
		Title     record.Text   `json:"title,omitempty"`
		Files     []record.Text `json:"files,omitempty"`
		Cmdline   record.Text   `json:"cmdline,omitempty"`
		Digest    string        `json:"digest,omitempty"`
		BootImage string        `json:"boot-image,omitempty"`
		Explain   string        `json:"explain,omitempty"`
		Make      string        `json:"make,omitempty"`
		Problem   record.Text   `json:"problem,omitempty"`
	}{
		record.JSONVersion, e.Kind, record.Text(e.Path), record.Text(e.Version), record.Text(e.Title), files, record.Text(e.Cmdline),
		e.Digest, e.BootImage, e.Explain, e.Make, record.Text(e.Problem),
	})
}

// String returns the entry for people: the kind and the path, then lines of facts. What
// is of the image cannot do anything to a terminal.
func (e Entry) String() string {
	var b strings.Builder
	b.WriteString(e.Kind + " " + dumpfile.Escape(e.Path) + "\n")
	fact := func(name, value string) {
		if value != "" {
			b.WriteString("  " + name + " " + value + "\n")
		}
	}
	fact("title", quoted(e.Title))
	for _, file := range e.Files {
		fact("file", quoted(file))
	}
	fact("cmdline", quoted(e.Cmdline))
	fact("digest", e.digest())
	fact("problem", e.Problem)
	return b.String()
}

// digest returns the digest and what is known of it.
func (e Entry) digest() string {
	switch {
	case e.Digest == "":
		return ""
	case e.BootImage != "":
		return e.Digest + " is the boot image, " + e.BootImage
	case e.Explain == "":
		return e.Digest + " is not known: there is no boot image. To make one: " + e.Make
	case strings.HasSuffix(e.Explain, " "+file):
		return e.Digest + " is not the boot image, and not in the repository. With it as " + file + ": " + e.Explain
	}
	return e.Digest + " is not the boot image: " + e.Explain
}

// file stands for an image that the repository lacks.
const file = "FILE"

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}
