package survey

import (
	"encoding/json"
	"io"
	"unicode/utf8"
)

// WriteJSON writes v as a JSON object, alone on its line.
func WriteJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// Text is a string of any bytes. In JSON it is {"bytes":"<base64>"} if it is not UTF-8.
type Text string

// MarshalJSON returns the text as JSON.
func (t Text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(struct {
		Bytes []byte `json:"bytes"`
	}{[]byte(t)})
}
