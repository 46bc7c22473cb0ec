package fsck

import (
	"bytes"
	"fmt"
	"io"

	"cfs/lib/record"
	"cfs/lib/terminal"
)

// Problem is something in a repository that is not as it must be.
type Problem struct {
	Category string      `json:"category"` // the reference's word for it where there is one
	Path     record.Text `json:"path"`     // in the repository, or a tag
	Detail   record.Text `json:"detail"`
}

// String returns a line in the reference's form.
func (p Problem) String() string {
	return fmt.Sprintf("fsck: %s: %s: %s", p.Category, p.Path, p.Detail)
}

// Count is how many things of a kind there are, and how many of them are whole.
type Count struct{ Good, Total int }

func (n Count) bad() int { return n.Total - n.Good }

func (n *Count) add(good bool) {
	n.Total++
	if good {
		n.Good++
	}
}

// Report is the outcome of a check.
type Report struct {
	Objects, Streams, Images, Tags Count
	NoMeta                         bool // the repository has no meta.json
	Problems                       []Problem
	Damaged                        []record.Text // the tags, or what else was asked for, that are not whole
}

// WriteText writes the report for people, as the reference does: a line for each count and
// each problem.
func (r Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "meta.json: %s\n", map[bool]string{false: "ok", true: "absent"}[r.NoMeta])
	for _, n := range []struct {
		name string
		Count
	}{{"objects", r.Objects}, {"streams", r.Streams}, {"images", r.Images}, {"oci images", r.Tags}} {
		fmt.Fprintf(&b, "%s: %d/%d ok\n", n.name, n.Good, n.Total)
	}
	if len(r.Problems) == 0 {
		b.WriteString("status: ok\n")
	} else {
		fmt.Fprintf(&b, "status: %d error(s)\n", len(r.Problems))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "  - %s\n", terminal.Line(p.String()))
	}
	_, err := b.WriteTo(w)
	return err
}

// WriteTags writes the damaged tags alone, one on a line.
func (r Report) WriteTags(w io.Writer) error {
	for _, tag := range r.Damaged {
		if _, err := fmt.Fprintln(w, tag); err != nil {
			return err
		}
	}
	return nil
}

// WriteJSON writes the report as one JSON object. Lists are never null.
func (r Report) WriteJSON(w io.Writer) error {
	errors := []record.Text{}
	for _, p := range r.Problems {
		errors = append(errors, record.Text(p.String()))
	}
	return record.WriteJSON(w, struct {
		Version          int           `json:"v"`
		OK               bool          `json:"ok"`
		HasMetadata      bool          `json:"has_metadata"`
		ObjectsChecked   int           `json:"objects_checked"`
		ObjectsCorrupted int           `json:"objects_corrupted"`
		StreamsChecked   int           `json:"streams_checked"`
		StreamsCorrupted int           `json:"streams_corrupted"`
		ImagesChecked    int           `json:"images_checked"`
		ImagesCorrupted  int           `json:"images_corrupted"`
		TagsChecked      int           `json:"tags_checked"`
		TagsCorrupted    int           `json:"tags_corrupted"`
		Damaged          []record.Text `json:"damaged"`
		Problems         []Problem     `json:"problems"`
		Errors           []record.Text `json:"errors"`
	}{
		record.JSONVersion, len(r.Problems) == 0, !r.NoMeta,
		r.Objects.Total, r.Objects.bad(), r.Streams.Total, r.Streams.bad(), r.Images.Total, r.Images.bad(), r.Tags.Total, r.Tags.bad(),
		append([]record.Text{}, r.Damaged...), append([]Problem{}, r.Problems...), errors,
	})
}
