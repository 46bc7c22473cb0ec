package survey

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"cfs/lib/record"
	"cfs/lib/terminal"
)

// Table writes lists for people, with a header and columns. Unless Full is set, digests are
// cut to their first 12 hex digits, which are enough to name them.
type Table struct {
	Now  time.Time // which ages are relative to
	Full bool
}

// WriteTags writes a line for each tag: name, manifest, EROFS image, age and sizes.
func (t Table) WriteTags(w io.Writer, tags []Tag) error {
	out := columns(w)
	some := slices.ContainsFunc(tags, func(t Tag) bool { return t.Sealed || t.Signed > 0 })
	header := "NAME\tMANIFEST\tIMAGE\tAGE\tSIZE\tUNIQUE"
	if some {
		header += "\tSIGNED"
	}
	fmt.Fprintln(out, header) // Flush returns its error
	for _, tag := range tags {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s", terminal.Name(string(tag.Name)), t.digest(tag.Manifest), t.digest(tag.imageWord()),
			Age(tag.Created, t.Now), sizeOrNot(tag.Size), sizeOrNot(tag.Unique))
		if some {
			fmt.Fprint(out, "\t", tag.signedWord())
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// WriteRefs writes a line for each ref: name, EROFS image and sizes.
func (t Table) WriteRefs(w io.Writer, refs []Ref) error {
	out := columns(w)
	fmt.Fprintln(out, "REF\tIMAGE\tSIZE\tUNIQUE")
	for _, ref := range refs {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", terminal.Name(string(ref.Name)), t.digest(ref.Image), sizeOrNot(ref.Size), sizeOrNot(ref.Unique))
	}
	return out.Flush()
}

// WriteOverlap writes what two images share: a line for that, and one for each of them.
func (t Table) WriteOverlap(w io.Writer, o Overlap) error {
	out := columns(w)
	fmt.Fprintf(out, "shared\t%s\n", Size(o.Shared))
	fmt.Fprintf(out, "only %s\t%s\n", terminal.Name(string(o.A)), Size(o.OnlyA))
	fmt.Fprintf(out, "only %s\t%s\n", terminal.Name(string(o.B)), Size(o.OnlyB))
	return out.Flush()
}

// oneLine writes a name for programs that read lines: as it is, unless it has control
// characters in it. New tags have none, but others may have made one.
func oneLine(name record.Text) string {
	if strings.ContainsFunc(string(name), unicode.IsControl) {
		return terminal.Name(string(name))
	}
	return string(name)
}

func columns(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 8, 2, ' ', 0) }

func (t Table) digest(d string) string {
	if t.Full {
		return d
	}
	return ShortDigest(d)
}

// ShortDigest returns the first 12 hex digits of a digest, and any other word as it is.
func ShortDigest(d string) string {
	_, hex, ok := strings.Cut(d, ":")
	if !ok {
		hex = d
	}
	if len(hex) < 64 {
		return d
	}
	return hex[:12]
}

// sizeOrNot writes a size that may not be known.
func sizeOrNot(n *int64) string {
	if n == nil {
		return "?"
	}
	return Size(*n)
}

// units are those of ages, from the longest to the shortest.
var units = []struct {
	of   time.Duration
	name string
}{{365 * 24 * time.Hour, "y"}, {7 * 24 * time.Hour, "w"}, {24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}}

// Age returns how long before now a time of RFC 3339 was, in the largest unit of which
// there are two: "13d", "2y". It is "-" if there is no such time, or it is to come.
func Age(created string, now time.Time) string {
	t, err := time.Parse(time.RFC3339Nano, created)
	if err != nil || t.After(now) {
		return "-"
	}
	age := now.Sub(t)
	for _, u := range units {
		if age >= 2*u.of {
			return fmt.Sprintf("%d%s", age/u.of, u.name)
		}
	}
	return fmt.Sprintf("%ds", age/time.Second)
}
