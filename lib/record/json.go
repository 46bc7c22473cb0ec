package record

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cfs/lib/terminal"
)

// JSONVersion is the version of the JSON objects that the tools write. Objects of version 1
// have no version; they are records whose values are strings, escaped as in text.
const JSONVersion = 2

// version is the member that has the version.
const version = "v"

// entryPrefix begins the names in JSON of keys that are called as a member is.
const entryPrefix = "entry-"

// isMember reports whether a member of each JSON object has a name, that therefore no key has.
func isMember(name string) bool { return name == "kind" || name == version }

// isNumber reports whether a key is a number in JSON, if it is written like one.
func isNumber(name, value string) bool {
	n, err := strconv.ParseUint(value, 10, 64)
	return (name == "size" || name == "status") && err == nil && strconv.FormatUint(n, 10) == value
}

// JSON returns the record as a JSON object without a newline: version, kind and digest, then the
// keys. Size and status are numbers, other values strings, or {"bytes":"<base64>"} if they are not
// UTF-8.
func (r Record) JSON() string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"v":%d,"kind":%s,"digest":%s`, JSONVersion, quote(r.Kind), quote(r.Digest))
	for _, k := range r.Keys {
		name := k.Name
		if isMember(name) {
			name = entryPrefix + name
		}
		b.WriteString("," + quote(name) + ":" + jsonValue(k))
	}
	b.WriteString("}")
	return b.String()
}

func jsonValue(k Key) string {
	switch {
	case isNumber(k.Name, k.Value):
		return k.Value
	case utf8.ValidString(k.Value):
		return quote(k.Value)
	}
	return `{"bytes":"` + base64.StdEncoding.EncodeToString([]byte(k.Value)) + `"}`
}

// quote writes a string as JSON that does nothing to a terminal.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string can be encoded
	}
	return string(terminal.JSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
}

// member is a member of a JSON object. Its value is a string, a json.Number, or the []byte of
// {"bytes":"<base64>"}.
type member struct {
	name  string
	value any
}

func (m member) isVersion() bool {
	_, ok := m.value.(json.Number)
	return ok && m.name == version
}

// parseJSON reads an object of either version.
func parseJSON(line string) (r Record, err error) {
	members, err := parseMembers(line)
	if err != nil {
		return r, err
	}
	text := member.oldText
	if i := slices.IndexFunc(members, member.isVersion); i >= 0 {
		if v := members[i].value; v != json.Number(strconv.Itoa(JSONVersion)) {
			return r, fmt.Errorf("is of version %s, want %d", v, JSONVersion)
		}
		members, text = slices.Delete(members, i, i+1), member.text
	}
	for _, m := range members {
		value, err := text(m)
		if err != nil {
			return r, fmt.Errorf("key %q: %w", m.name, err)
		}
		r.setMember(m.name, value)
	}
	return r, nil
}

// parseMembers reads an object member by member, since their order is kept.
func parseMembers(line string) (members []member, err error) {
	if !utf8.ValidString(line) {
		return nil, errors.New("is not UTF-8")
	}
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("is not a JSON object")
	}
	seen := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := t.(string) // a decoder refuses anything else
		if seen[name] {
			return nil, fmt.Errorf("duplicate key %q", name)
		}
		seen[name] = true
		value, err := parseValue(d)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
		members = append(members, member{name, value})
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON object on the line")
	}
	return members, nil
}

func parseValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	switch t := t.(type) {
	case string, json.Number:
		return t, nil
	case json.Delim:
		if t == '{' {
			return parseBytes(d)
		}
	}
	return nil, cmp.Or(err, fmt.Errorf("%v is neither a string nor a number", t))
}

// parseBytes reads what stands behind the brace of {"bytes":"<base64>"}.
func parseBytes(d *json.Decoder) ([]byte, error) {
	var inside [3]json.Token
	for i := range inside {
		var err error
		if inside[i], err = d.Token(); err != nil {
			return nil, err
		}
	}
	text, ok := inside[1].(string)
	if !ok || inside[0] != "bytes" || inside[2] != json.Delim('}') {
		return nil, errors.New(`is an object, and not {"bytes":"<base64>"}`)
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// text returns the value of a member. What is written in another way than it must be is refused.
func (m member) text() (string, error) {
	var s string
	switch v := m.value.(type) {
	case string:
		s = v
	case json.Number:
		s = v.String()
	case []byte:
		s = string(v)
	}
	_, number := m.value.(json.Number)
	_, bytes := m.value.([]byte)
	switch {
	case number != isNumber(m.name, s):
		return "", fmt.Errorf("%q: size and status are numbers, all else is a string", s)
	case bytes == utf8.ValidString(s):
		return "", errors.New("text is a string, and anything else is base64")
	}
	return s, nil
}

// oldText returns the value of a member in version 1.
func (m member) oldText() (string, error) {
	s, ok := m.value.(string)
	if !ok {
		return "", errors.New("is not a string")
	}
	return unescape(s)
}

func (r *Record) setMember(name, value string) {
	switch name {
	case "kind":
		r.Kind = value
	case "digest":
		r.Digest = value
	default:
		if plain, ok := strings.CutPrefix(name, entryPrefix); ok && isMember(plain) {
			name = plain
		}
		r.Keys = append(r.Keys, Key{name, value})
	}
}
