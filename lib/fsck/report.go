package fsck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"cfs/lib/terminal"
)

// Problem is something in a repository that is not as it must be.
type Problem struct {
	Category string // the reference's word for it where there is one
	Path     string // in the repository, or a tag
	Detail   string
}

// String returns a line in the reference's form.
func (p Problem) String() string {
	return fmt.Sprintf("fsck: %s: %s: %s", p.Category, p.Path, p.Detail)
}

// Count is how many things of a kind there are, and how many of them are whole.
type Count struct{ Good, Total int }

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

// WriteJSON writes the report as a JSON object on a line.
func (r Report) WriteJSON(w io.Writer) error {
	errors := []string{} // never null
	for _, p := range r.Problems {
		errors = append(errors, p.String())
	}
	text, err := json.Marshal(map[string]any{
		"ok": len(errors) == 0, "has_metadata": !r.NoMeta,
		"objects_checked": r.Objects.Total, "objects_corrupted": r.Objects.Total - r.Objects.Good,
		"streams_checked": r.Streams.Total, "streams_corrupted": r.Streams.Total - r.Streams.Good,
		"images_checked": r.Images.Total, "images_corrupted": r.Images.Total - r.Images.Good,
		"tags_checked": r.Tags.Total, "tags_corrupted": r.Tags.Total - r.Tags.Good,
		"errors": errors,
	})
	if err == nil {
		_, err = w.Write(append(terminal.JSON(text), '\n'))
	}
	return err
}
