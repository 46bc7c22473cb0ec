// Package progress reports on stderr what a tool has done and how far it has got: as bars on a
// terminal, as lines of text, or as JSON objects for programs. Results are records, on stdout,
// and not handled here.
package progress

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"cfs/lib/record"
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
	Tool    string // its name begins each line of text
	Mode    Mode
	Objects bool // words for people are JSON objects too, as they are in the mode JSON
	Out     *os.File
}

// Event is one thing that was done.
type Event struct {
	Kind    string `json:"kind"`   // of the record it is about
	Digest  string `json:"digest"` // of it
	Message string `json:"message"`
	Bytes   int64  `json:"bytes,omitempty"` // that a transfer has got
	*Stored
}

// Stored is what became of a layer.
type Stored struct {
	New     int64 `json:"new-objects"`
	Present int64 `json:"present-objects"`
	Written int64 `json:"bytes-stored"` // of new objects
	Inline  int64 `json:"bytes-inline"` // of files that are no objects
}

// Event prints what was done.
func (p *Printer) Event(e Event) {
	switch p.Mode {
	case Auto, Plain:
		if p.Mode == Auto && terminal.IsDrawable(p.Out) {
			return // bars show it
		}
		fmt.Fprintf(p.Out, "%s: %s %s: %s\n", p.Tool, e.Kind, e.Digest, e.Message)
	case JSON:
		p.object(e)
	}
}

// Say prints words for people, in every mode.
func (p *Printer) Say(format string, args ...any) {
	if p.Objects || p.Mode == JSON {
		p.object(wordsOf(fmt.Sprintf(format, args...)))
		return
	}
	fmt.Fprint(p.Out, p.line(format, args...))
}

// Error prints why the tool has failed, with its exit status, and what to do about it unless
// that is "".
func (p *Printer) Error(err error, status int, hint string) {
	if p.Objects || p.Mode == JSON {
		p.object(words{Kind: "error", Message: err.Error(), Status: status, Hint: hint})
		return
	}
	p.Say("%v", err)
	if hint != "" {
		p.Say("hint: %s", hint)
	}
}

// words are what people read, as an object.
type words struct {
	Kind    string `json:"kind"` // message, warning or error
	Message string `json:"message"`
	Status  int    `json:"status,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

func wordsOf(text string) words {
	if warning, ok := strings.CutPrefix(text, "warning: "); ok {
		return words{Kind: "warning", Message: warning}
	}
	return words{Kind: "message", Message: text}
}

func (p *Printer) line(format string, args ...any) string {
	clear := ""
	if p.Mode != Plain && terminal.IsDrawable(p.Out) {
		clear = clearLine // of a Counter, maybe of another stage
	}
	return clear + p.Tool + ": " + terminal.Line(fmt.Sprintf(format, args...)) + "\n"
}

// object prints an object, which has a member at least, with the version and the tool before it.
func (p *Printer) object(v any) {
	var line bytes.Buffer
	if err := record.WriteJSON(&line, v); err != nil {
		panic(err) // strings and numbers can be written
	}
	fmt.Fprintf(p.Out, "{\"v\":%d,\"tool\":%q,%s", record.JSONVersion, p.Tool, line.Bytes()[1:])
}
