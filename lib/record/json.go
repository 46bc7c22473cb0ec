package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// JSON returns the record as a JSON object without a newline: kind, digest, then
// the keys, all strings, values escaped as in text.
func (r Record) JSON() string {
	var b strings.Builder
	b.WriteString(`{"kind":` + quote(r.Kind) + `,"digest":` + quote(r.Digest))
	for _, k := range r.Keys {
		name := k.Name
		if name == "kind" {
			name = jsonKind
		}
		b.WriteString("," + quote(name) + ":" + quote(escape(k.Value)))
	}
	b.WriteString("}")
	return b.String()
}

func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string can be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// parseJSON reads an object member by member, since their order is kept.
func parseJSON(line string) (Record, error) {
	d := json.NewDecoder(strings.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return Record{}, errors.New("is no JSON object")
	}
	var r Record
	for d.More() {
		name, err := stringToken(d)
		if err != nil {
			return Record{}, err
		}
		value, err := stringToken(d)
		if err != nil {
			return Record{}, fmt.Errorf("key %q: %w", name, err)
		}
		if err := r.setMember(name, value); err != nil {
			return Record{}, err
		}
	}
	if _, err := d.Token(); err != nil {
		return Record{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return Record{}, errors.New("more than one JSON object on a line")
	}
	return r, nil
}

func (r *Record) setMember(name, value string) error {
	switch {
	case name == "kind" && r.Kind == "":
		r.Kind = value
	case name == "digest" && r.Digest == "":
		r.Digest = value
	default:
		plain, err := unescape(value)
		if err != nil {
			return err
		}
		switch name {
		case "kind":
			return errors.New("two kinds")
		case jsonKind:
			name = "kind"
		}
		r.Keys = append(r.Keys, Key{name, plain})
	}
	return nil
}

func stringToken(d *json.Decoder) (string, error) {
	t, err := d.Token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("%v is no string", t)
	}
	return s, nil
}
