package compare

import (
	"bufio"
	"encoding/json"
	"io"

	"cfs/lib/dumpfile"
)

// Printer prints differences, a line each: as text, or as JSON objects. Paths, names and
// values are escaped as in dumpfiles. In text, - is no value and "" an empty one.
type Printer struct {
	out  *bufio.Writer
	json *json.Encoder // nil for text
}

// NewPrinter returns a printer to w, which has all lines only after Finish.
func NewPrinter(w io.Writer, asJSON bool) *Printer {
	p := &Printer{out: bufio.NewWriterSize(w, 1<<16)}
	if asJSON {
		p.json = json.NewEncoder(p.out)
		p.json.SetEscapeHTML(false)
	}
	return p
}

// Difference prints a difference. It is what Compare may report to.
func (p *Printer) Difference(d Difference) error {
	if p.json != nil {
		return p.json.Encode(struct {
			Path      string  `json:"path"`
			Attribute string  `json:"attribute"`
			Name      string  `json:"name,omitempty"`
			Old       *string `json:"old,omitempty"`
			New       *string `json:"new,omitempty"`
		}{dumpfile.Escape(d.Path), d.Attribute, dumpfile.Escape(d.Name), escaped(d.Old), escaped(d.New)})
	}
	_, err := p.out.WriteString(dumpfile.Escape(d.Path) + ": " + d.Attribute + " " + d.text() + "\n")
	return err
}

// Finish prints what explains all, unless it is empty, and writes what is still to be written.
func (p *Printer) Finish(cause string) error {
	var err error
	switch {
	case cause == "":
	case p.json != nil:
		err = p.json.Encode(map[string]string{"cause": cause})
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

// escaped returns a value for JSON, where none is left out.
func escaped(v Value) *string {
	if !v.Set {
		return nil
	}
	s := dumpfile.Escape(v.Text)
	return &s
}
