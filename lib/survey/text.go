package survey

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"cfs/lib/terminal"
)

// WriteText writes the description for people: a line for each fact, its name first.
func (i Info) WriteText(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	formats := make([]string, len(i.Formats))
	for n, f := range i.Formats {
		formats[n] = strconv.Itoa(f)
	}
	line("repository", "%s", terminal.Line(string(i.Path)))
	line("algorithm", "%s", i.Algorithm)
	line("formats", "%s", strings.Join(formats, ", "))
	line("fs-verity", "%s", yesNo(i.Verity))
	if !i.Metadata {
		line("meta.json", "missing: only read")
	}
	line("tags", "%d", i.Tags)
	line("manifests", "%d", i.Manifests)
	line("images", "%d", i.Images)
	line("refs", "%d", i.Refs)
	line("objects", "%d", i.Objects)
	line("bytes", "%d (%s)", i.Bytes, Size(i.Bytes))
	for _, p := range i.Pulls {
		line("pull", "%s, %d leases", terminal.Line(p.Manifest), p.Leases)
	}
	for _, m := range i.Mounts {
		line("mount", "%s, %s, %s", m.Image, m.Mount, m.State)
	}
	if s := i.Spool; s != nil {
		line("spool", "%d blobs of no stored image, %d of them partial, %d bytes (%s); %d bytes (%s) stored as well",
			s.Blobs, s.Partial, s.Bytes, Size(s.Bytes), s.InImages, Size(s.InImages))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Size writes a number of bytes for people: "812 B", "63.1 MB". Units are decimal.
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, unit := range []string{"kB", "MB", "GB"} {
		if f /= 1000; f < 999.95 {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return fmt.Sprintf("%.1f TB", f/1000)
}
