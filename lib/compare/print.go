package compare

import (
	"bufio"
	"io"

	"cfs/lib/dumpfile"
	"cfs/lib/record"
)

// Printer prints differences, a line each: as text, or as JSON objects. In text, paths, names
// and values are escaped as in dumpfiles, - is no value and "" an empty one.
type Printer struct {
	out  *bufio.Writer
	json bool
}

// NewPrinter returns a printer to w, which has all lines only after Finish.
func NewPrinter(w io.Writer, asJSON bool) *Printer {
	return &Printer{out: bufio.NewWriterSize(w, 1<<16), json: asJSON}
}

// Difference prints a difference. It is what Compare may report to.
func (p *Printer) Difference(d Difference) error {
	if p.json {
		return record.WriteJSON(p.out, struct {
			Version   int          `json:"v"`
			Path      record.Text  `json:"path"`
			Attribute string       `json:"attribute"`
			Name      record.Text  `json:"name,omitempty"`
			Old       *record.Text `json:"old,omitempty"`
			New       *record.Text `json:"new,omitempty"`
		}{record.JSONVersion, record.Text(d.Path), d.Attribute, record.Text(d.Name), valueText(d.Old), valueText(d.New)})
	}
	_, err := p.out.WriteString(dumpfile.Escape(d.Path) + ": " + d.Attribute + " " + d.text() + "\n")
	return err
}

// Finish prints what explains all, unless it is empty, and writes what is still to be written.
func (p *Printer) Finish(cause string) error {
	var err error
	switch {
	case cause == "":
	case p.json:
		err = record.WriteJSON(p.out, struct {
			Version int    `json:"v"`
			Cause   string `json:"cause"`
		}{record.JSONVersion, cause})
	default:
		_, err = p.out.WriteString("cause: " + cause + "\n")
	}
	if err != nil {
		return err
	}
	return p.out.Flush()
}

// text returns what is different, behind the attribute.
func (d *Difference) text() string {
	switch d.Attribute {
	case Added:
		return d.New.text()
	case Removed:
		return d.Old.text()
	case Xattr:
		return dumpfile.Escape(d.Name) + " " + d.Old.text() + " -> " + d.New.text()
	}
	return d.Old.text() + " -> " + d.New.text()
}

func (v Value) text() string {
	switch {
	case !v.Set:
		return "-"
	case v.Text == "":
		return `""`
	case v.Text == "-":
		return `\x2d`
	case v.Text == `""`:
		return `\x22\x22`
	}
	return dumpfile.Escape(v.Text)
}

// valueText returns a value for JSON, where none is left out.
func valueText(v Value) *record.Text {
	if !v.Set {
		return nil
	}
	s := record.Text(v.Text)
	return &s
}
