package main

import (
	"strconv"
	"strings"
)

// description is what boot-entries says of an entry. What there is not is empty.
type description struct {
	Kind      string   `json:"kind"`
	Path      string   `json:"path"`              // escaped
	Version   string   `json:"version,omitempty"` // of the kernel, escaped
	Title     string   `json:"title,omitempty"`
	Files     []string `json:"files,omitempty"` // that are loaded too
	Cmdline   string   `json:"cmdline,omitempty"`
	Digest    string   `json:"digest,omitempty"`     // of the image that the command line names
	BootImage string   `json:"boot-image,omitempty"` // the reference by which the config has it
	Explain   string   `json:"explain,omitempty"`    // the command that says why it is another one
	Make      string   `json:"make,omitempty"`       // the command that makes a boot image
	Problem   string   `json:"problem,omitempty"`
}

// text returns the description for people: the kind and the path, then lines of facts.
func (d description) text() string {
	var b strings.Builder
	b.WriteString(d.Kind + " " + d.Path + "\n")
	fact := func(name, value string) {
		if value != "" {
			b.WriteString("  " + name + " " + value + "\n")
		}
	}
	fact("title", quoted(d.Title))
	for _, file := range d.Files {
		fact("file", quoted(file))
	}
	fact("cmdline", quoted(d.Cmdline))
	switch {
	case d.Digest == "":
	case d.BootImage != "":
		fact("digest", d.Digest+" is the boot image, "+d.BootImage)
	case d.Explain == "":
		fact("digest", d.Digest+" is not known: there is no boot image. To make one: "+d.Make)
	case strings.HasSuffix(d.Explain, " FILE"):
		fact("digest", d.Digest+" is not the boot image, and not in the repository. With it as FILE: "+d.Explain)
	default:
		fact("digest", d.Digest+" is not the boot image: "+d.Explain)
	}
	fact("problem", d.Problem)
	return b.String()
}

// quoted returns a text of the image so that it does nothing to a terminal.
func quoted(s string) string {
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}
