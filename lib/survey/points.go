package survey

import (
	"fmt"
	"io"
	"strings"

	"cfs/lib/mount"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/terminal"
)

// Point is a mount in the caller's mount namespace, and the image that it is of.
type Point struct {
	Version  int           `json:"v"` // of this form
	Dir      record.Text   `json:"dir"`
	Image    record.Text   `json:"image"` // EROFS, by its digest, or as its mount names it
	ReadOnly bool          `json:"read_only"`
	Tags     []record.Text `json:"tags"` // and refs that lead to it, in the repository
}

// DescribePoint returns the entry of a mount, with the names of its image.
func DescribePoint(p mount.Point, names map[string][]string) Point {
	point := Point{Version: record.JSONVersion, Dir: record.Text(p.Dir), Image: record.Text(p.Name), ReadOnly: p.ReadOnly, Tags: []record.Text{}}
	for _, name := range names[p.Name] {
		point.Tags = append(point.Tags, record.Text(name))
	}
	return point
}

// ImageNames returns the tags, then the refs, by the digests of the EROFS images that they
// lead to. failed is told why they may not be all.
func ImageNames(r *repo.Repo, failed func(error)) map[string][]string {
	names := map[string][]string{}
	tags, _, err := oci.Tags(r) // strays are no tags
	if err != nil {
		failed(err)
	}
	for _, tag := range tags {
		image, err := oci.OpenImage(r, tag.Manifest)
		if err != nil {
			failed(fmt.Errorf("tag %q: %w", tag.Tag, err))
			continue
		}
		for _, id := range image.Config.Images {
			names[id.String()] = append(names[id.String()], tag.Tag)
		}
	}
	refs, err := oci.ImageRefs(r)
	if err != nil {
		failed(err)
	}
	for _, ref := range refs {
		names[ref.Target] = append(names[ref.Target], "refs/"+ref.Name)
	}
	return names
}

// String returns a line for programs: directory, image, ro or rw, and each name, with tabs
// between.
func (p Point) String() string {
	fields := []string{oneLine(p.Dir), oneLine(p.Image), p.mode()}
	for _, tag := range p.Tags {
		fields = append(fields, oneLine(tag))
	}
	return strings.Join(fields, "\t")
}

func (p Point) mode() string {
	if p.ReadOnly {
		return "ro"
	}
	return "rw"
}

// WritePoints writes a line for each mount: directory, image, mode and names.
func (t Table) WritePoints(w io.Writer, points []Point) error {
	out := columns(w)
	fmt.Fprintln(out, "DIR\tIMAGE\tMODE\tNAMES")
	for _, p := range points {
		names := make([]string, len(p.Tags))
		for i, tag := range p.Tags {
			names[i] = terminal.Name(string(tag))
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", terminal.Name(string(p.Dir)), terminal.Name(t.digest(string(p.Image))), p.mode(), strings.Join(names, ", "))
	}
	return out.Flush()
}
