package compare

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"cfs/lib/record"
)

// Stat counts differences, where a Printer prints each.
type Stat struct {
	Added, Removed, Changed int            // names
	Attributes              map[string]int // of the names that were changed

	last string // the path of the latest change, whose attributes come one after the other
}

// Difference counts a difference. It is what Compare may report to.
func (s *Stat) Difference(d Difference) error {
	switch d.Attribute {
	case Added:
		s.Added++
		return nil
	case Removed:
		s.Removed++
		return nil
	}
	if s.Attributes == nil {
		s.Attributes = map[string]int{}
	}
	if len(s.Attributes) == 0 || s.last != d.Path {
		s.Changed++
	}
	s.last = d.Path
	s.Attributes[d.Attribute]++
	return nil
}

// Write writes the numbers, and what explains all unless it is empty: as text, or as a JSON
// object. Where nothing differs it writes no text.
func (s *Stat) Write(w io.Writer, cause string, asJSON bool) error {
	if asJSON {
		return record.WriteJSON(w, struct {
			Version    int            `json:"v"`
			Added      int            `json:"added"`
			Removed    int            `json:"removed"`
			Changed    int            `json:"changed"`
			Attributes map[string]int `json:"attributes,omitempty"`
			Cause      string         `json:"cause,omitempty"`
		}{record.JSONVersion, s.Added, s.Removed, s.Changed, s.Attributes, cause})
	}
	text := ""
	if s.Added+s.Removed+s.Changed > 0 {
		text = fmt.Sprintf("%d added, %d removed, %d changed%s\n", s.Added, s.Removed, s.Changed, s.attributes())
	}
	if cause != "" {
		text += "cause: " + cause + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

func (s *Stat) attributes() string {
	var list []string
	for name, n := range s.Attributes {
		list = append(list, fmt.Sprintf("%s %d", name, n))
	}
	if list == nil {
		return ""
	}
	slices.Sort(list)
	return ": " + strings.Join(list, ", ")
}
