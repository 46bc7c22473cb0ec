// Package progress tells people on stderr what a tool has done and how far it is: as
// bars on a terminal, as lines of text, or as JSON objects for programs. What a tool
// made is not its concern: that goes to stdout, as records.
package progress

import (
	"encoding/json"
	"fmt"
	"os"

	"cfs/lib/terminal"
)

// Mode is a value of --progress.
type Mode string

const (
	Auto  Mode = "auto"  // Plain, but bars for downloads on a terminal
	Plain Mode = "plain" // lines of text
	JSON  Mode = "json"  // JSON objects, one a line
	None  Mode = "none"

	bars Mode = "bars" // what Auto is for a Meter on a terminal
)

// ParseMode reads a Mode. The error repeats s and lists what there is.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Auto, Plain, JSON, None:
		return m, nil
	}
	return "", fmt.Errorf("%q: want auto, plain, json or none", s)
}

// Printer prints on a file what a tool does.
type Printer struct {
	Tool string // its name begins each line of text
	Mode Mode
	Out  *os.File
}

// Event is one thing that was done.
type Event struct {
	Kind    string `json:"kind"`   // of the record it is about
	Digest  string `json:"digest"` // of it
	Message string `json:"message"`
	Bytes   int64  `json:"bytes,omitempty"` // that a transfer has got
}

// Event prints what was done.
func (p *Printer) Event(e Event) {
	switch p.Mode {
	case Auto, Plain:
		fmt.Fprintf(p.Out, "%s: %s %s: %s\n", p.Tool, e.Kind, e.Digest, e.Message)
	case JSON:
		p.object(e)
	}
}

// Say prints a line of text, in every mode.
func (p *Printer) Say(format string, args ...any) {
	fmt.Fprint(p.Out, p.line(format, args...))
}

func (p *Printer) line(format string, args ...any) string {
	return p.Tool + ": " + terminal.Line(fmt.Sprintf(format, args...)) + "\n"
}

func (p *Printer) object(v any) {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers can be marshalled
	}
	fmt.Fprintf(p.Out, "%s\n", line)
}
