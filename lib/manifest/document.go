package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cfs/lib/corrupt"
)

// maxObjects is how many JSON objects of those that are looked into a document may hold.
// Each takes a hundred times of its shortest text in memory.
const maxObjects = 20_000

// maxNesting is how deep a document may nest. What we read is 4 deep, and other parsers
// give up at 100 or more.
const maxNesting = 100

// decode reads a document into v, by the exact keys of s. Of a key that stands there twice,
// the last one counts. odd says where readers who ignore case, or take the first one, see
// another document; it is nil if there is no such place.
//
// So v is what encoding/json makes of a text that holds the keys of s alone, each once:
// that package ignores case, and reads twice into one value what stands there twice.
func decode(text []byte, s *schema, v any) (odd, err error) {
	if err := checkNesting(text); err != nil {
		return nil, err
	}
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil { // also refuses what stands behind it
		return nil, err
	}
	r := &reader{in: json.NewDecoder(bytes.NewReader(text))}
	r.in.UseNumber()
	var exact bytes.Buffer
	if err := r.value(&exact, s, true); err != nil {
		return nil, err
	}
	return r.odd, json.Unmarshal(exact.Bytes(), v)
}

// decodeStrictly is decode for what comes from others: it refuses what is odd.
func decodeStrictly(text []byte, s *schema, v any) error {
	odd, err := decode(text, s, v)
	if odd != nil {
		return odd // the cause of others
	}
	return err
}

// checkNesting refuses a document that is nested too deeply, before anything recurs into it.
func checkNesting(text []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			if depth++; depth > maxNesting {
				return fmt.Errorf("nested more than %d deep at byte %d", maxNesting, i)
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return nil
}

// reader copies a document that is known to be JSON, without the keys that its schema
// does not have.
type reader struct {
	in      *json.Decoder
	objects int
	path    []string // of keys and numbers, to the value that is read
	odd     error    // the first one
}

// value copies one value. Only objects, and those in an array, can have a schema; of another
// kind of value v's type says what is wrong.
func (r *reader) value(out *bytes.Buffer, s *schema, list bool) error {
	if s == nil {
		var raw json.RawMessage
		if err := r.in.Decode(&raw); err != nil {
			return err
		}
		out.Write(raw)
		return nil
	}
	token, err := r.in.Token()
	if err != nil {
		return err
	}
	switch {
	case token == json.Delim('{'):
		return r.object(out, s)
	case token == json.Delim('['):
		if !list {
			s = nil // an array in an array is none of descriptors
		}
		return r.array(out, s)
	}
	text, err := json.Marshal(token)
	out.Write(text)
	return err
}

func (r *reader) array(out *bytes.Buffer, s *schema) error {
	out.WriteByte('[')
	for i := 0; r.in.More(); i++ {
		if i > 0 {
			out.WriteByte(',')
		}
		r.path = append(r.path, strconv.Itoa(i))
		if err := r.value(out, s, false); err != nil {
			return err
		}
		r.path = r.path[:len(r.path)-1]
	}
	out.WriteByte(']')
	_, err := r.in.Token()
	return err
}

// member is a key and its value in an object.
type member struct {
	key   string
	value []byte
}

func (r *reader) object(out *bytes.Buffer, s *schema) error {
	if r.objects++; r.objects > maxObjects {
		return fmt.Errorf("more than %d objects in one document", maxObjects)
	}
	var members []member
	for r.in.More() {
		token, err := r.in.Token()
		if err != nil {
			return err
		}
		key := token.(string) // the document is JSON
		_, known := s.keys[key]
		at := slices.IndexFunc(members, func(m member) bool { return m.key == key })
		r.check(s, key, known, at >= 0)
		r.path = append(r.path, key)
		var value bytes.Buffer
		if err := r.value(&value, s.keys[key], true); err != nil {
			return err
		}
		r.path = r.path[:len(r.path)-1]
		switch {
		case at >= 0:
			members[at].value = value.Bytes()
		case known:
			members = append(members, member{key, value.Bytes()})
		}
	}
	write(out, members)
	_, err := r.in.Token()
	return err
}

func write(out *bytes.Buffer, members []member) {
	for i, m := range members {
		out.WriteByte("{,"[min(i, 1)])
		out.WriteString(strconv.Quote(m.key)) // which has no special characters
		out.WriteByte(':')
		out.Write(m.value)
	}
	if members == nil {
		out.WriteByte('{')
	}
	out.WriteByte('}')
}

// check notes a key that not all readers take alike.
func (r *reader) check(s *schema, key string, known, again bool) {
	if r.odd != nil {
		return
	}
	switch other, ok := s.spelling(key, known); {
	case again:
		r.note(key, "occurs twice")
	case ok:
		r.note(key, fmt.Sprintf("is another spelling of %q", other))
	case s.kind(key) != "":
		r.note(key, fmt.Sprintf("beside %q makes it %s as well", s.main, s.kind(key)))
	}
}

// spelling returns the key of s that others take a key for which is none.
func (s *schema) spelling(key string, known bool) (string, bool) {
	if known {
		return "", false
	}
	for name := range s.keys {
		if strings.EqualFold(name, key) {
			return name, true
		}
	}
	return "", false
}

// kind returns which other kind of document a key is of.
func (s *schema) kind(key string) string {
	for name, kind := range s.other {
		if strings.EqualFold(name, key) {
			return kind
		}
	}
	return ""
}

func (r *reader) note(key, why string) {
	where := ""
	if len(r.path) > 0 {
		where = " of " + strings.Join(r.path, ".")
	}
	r.odd = corrupt.Errorf("key %q%s %s, at byte %d: tools may read it differently", key, where, why, r.in.InputOffset())
}
