// Package record reads and writes the lines that the tools pass to each other:
// "KIND DIGEST [KEY=VALUE]...", or the same as one JSON object for each line.
//
// A stage repeats what it reads and adds its own records, so unknown kinds and keys pass through
// unchanged. Only one spelling of each record is accepted.
package record

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"cfs/lib/verity"
)

// MaxLine is the longest line in bytes, the newline counted.
const MaxLine = 64 << 10

// None is the digest of a record about something that has none, or none yet.
const None = "-"

// Record is one line.
type Record struct {
	Kind   string
	Digest string // OCI digest with a colon, fs-verity digest in bare hex, or None
	Keys   []Key  // in their order, each name once
}

// Key is one KEY=VALUE of a record; Value is what it says, not how it is escaped.
type Key struct{ Name, Value string }

// Get returns the value of a key, "" if there is none.
func (r Record) Get(name string) string {
	for _, k := range r.Keys {
		if k.Name == name {
			return k.Value
		}
	}
	return ""
}

// Set returns the record with a key added, or replaced where it stands.
func (r Record) Set(name, value string) Record {
	r.Keys = slices.Clone(r.Keys)
	for i, k := range r.Keys {
		if k.Name == name {
			r.Keys[i].Value = value
			return r
		}
	}
	r.Keys = append(r.Keys, Key{name, value})
	return r
}

// Without returns the record less some keys.
func (r Record) Without(names ...string) Record {
	r.Keys = slices.DeleteFunc(slices.Clone(r.Keys), func(k Key) bool { return slices.Contains(names, k.Name) })
	return r
}

// Parse reads a line without its newline, in either form.
func Parse(line string) (Record, error) {
	var r Record
	var err error
	if strings.HasPrefix(line, "{") {
		r, err = parseJSON(line)
	} else {
		r, err = parseText(line)
	}
	if err == nil {
		err = r.validate()
	}
	if err != nil {
		return Record{}, fmt.Errorf("record %.60q: %w", line, err)
	}
	return r, nil
}

func parseText(line string) (Record, error) {
	field := strings.Split(line, " ")
	if len(field) < 2 {
		return Record{}, errors.New("want a line KIND DIGEST [KEY=VALUE]")
	}
	r := Record{Kind: field[0], Digest: field[1]}
	for _, f := range field[2:] {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return Record{}, fmt.Errorf("%q is no KEY=VALUE", f)
		}
		plain, err := unescape(value)
		if err != nil {
			return Record{}, err
		}
		r.Keys = append(r.Keys, Key{name, plain})
	}
	return r, nil
}

func (r Record) validate() error {
	if !validName(r.Kind) {
		return fmt.Errorf("%q is not a valid kind", r.Kind)
	}
	if err := validDigest(r.Digest); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, k := range r.Keys {
		if !validName(k.Name) || isMember(strings.TrimPrefix(k.Name, entryPrefix)) != isMember(k.Name) || k.Name == "digest" {
			return fmt.Errorf("%q is not a valid key", k.Name)
		}
		if seen[k.Name] {
			return fmt.Errorf("duplicate key %q", k.Name)
		}
		seen[k.Name] = true
	}
	return nil
}

// validName tells words of letters, digits and what may join them.
func validName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
	})
}

func validDigest(s string) error {
	if s == None {
		return nil
	}
	if strings.Contains(s, ":") {
		if err := digest.Digest(s).Validate(); err != nil {
			return fmt.Errorf("digest %q: %w", s, err)
		}
		return nil
	}
	if id, err := verity.ParseID(s); err != nil || id.String() != s {
		return fmt.Errorf("%q is not a digest", s)
	}
	return nil
}

// String returns the line as text, without a newline.
func (r Record) String() string {
	var b strings.Builder
	b.WriteString(r.Kind + " " + r.Digest)
	for _, k := range r.Keys {
		b.WriteString(" " + k.Name + "=" + escape(k.Value))
	}
	return b.String()
}

const upperHex = "0123456789ABCDEF"

// mustEscape tells the bytes that a value cannot hold as they are. c is a byte of
// a rune that is valid or not.
func mustEscape(c byte, valid bool) bool { return c <= 0x20 || c == 0x7f || c == '%' || !valid }

// isC1 reports whether a character is one of the second set of control characters, which are
// as good as escape sequences to a terminal.
func isC1(c rune) bool { return 0x80 <= c && c <= 0x9f }

func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		c, n := utf8.DecodeRuneInString(s[i:])
		if mustEscape(s[i], c != utf8.RuneError || n > 1) || isC1(c) {
			b.WriteString(string([]byte{'%', upperHex[s[i]>>4], upperHex[s[i]&15]}))
			i++ // the second byte of a C1 character is none by itself
		} else {
			b.WriteString(s[i : i+n])
			i += n
		}
	}
	return b.String()
}

func unescape(s string) (string, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", fmt.Errorf("%q ends in an escape", s)
		}
		high, low := strings.IndexByte(upperHex, s[i+1]), strings.IndexByte(upperHex, s[i+2])
		if high < 0 || low < 0 {
			return "", fmt.Errorf("%q has a bad escape", s)
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	if plain := string(b); escape(plain) == s {
		return plain, nil
	}
	return "", fmt.Errorf("%q is not how its value is written", s)
}
