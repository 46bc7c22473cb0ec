package survey

import (
	"fmt"

	"cfs/lib/record"
	"cfs/lib/terminal"
)

// Holder is a tag whose image has something at a path, and what that is.
type Holder struct {
	Version int          `json:"v"` // of this form
	Name    record.Text  `json:"name"`
	Mode    string       `json:"mode"` // as ls -l writes it
	Size    int64        `json:"size"`
	Object  string       `json:"object,omitempty"` // the content of a regular file, unless it is inline
	Target  *record.Text `json:"target,omitempty"` // of a symbolic link
}

// String returns a line for programs: tag, mode, size, and the object or the target of a
// link, else "-", with tabs between.
func (h Holder) String() string { return h.line(oneLine) }

// Line is String for people's terminals, with a digest that is short.
func (h Holder) Line() string {
	h.Object = ShortDigest(h.Object)
	return h.line(func(name record.Text) string { return terminal.Name(string(name)) })
}

func (h Holder) line(write func(record.Text) string) string {
	last := "-"
	switch {
	case h.Object != "":
		last = h.Object
	case h.Target != nil:
		last = write(*h.Target)
	}
	return fmt.Sprintf("%s\t%s\t%d\t%s", write(h.Name), h.Mode, h.Size, last)
}
