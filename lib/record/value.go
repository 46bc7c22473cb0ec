package record

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"

	"cfs/lib/terminal"
)

// WriteJSON writes v as a JSON object, alone on its line.
func WriteJSON(w io.Writer, v any) error {
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	if err := out.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(terminal.JSON(text.Bytes()))
	return err
}

// Text is a string of any bytes. In JSON it is {"bytes":"<base64>"} if it is not UTF-8.
type Text string

// MarshalJSON returns the text as JSON.
func (t Text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return []byte(quote(string(t))), nil
	}
	return json.Marshal(struct {
		Bytes []byte `json:"bytes"`
	}{[]byte(t)})
}
