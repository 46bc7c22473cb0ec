package dumpfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// field numbers the fields of a line. All xattrs share the last number.
type field int

const (
	fieldPath field = iota
	fieldSize
	fieldMode
	fieldNlink
	fieldUID
	fieldGID
	fieldRdev
	fieldMtime
	fieldPayload
	fieldContent
	fieldDigest
	fieldXattr
)

var fieldNames = [...]string{"PATH", "SIZE", "MODE", "NLINK", "UID", "GID", "RDEV", "MTIME", "PAYLOAD", "CONTENT", "DIGEST", "xattr"}

// maxLine is the longest line that is read, in bytes: more than what the limits
// of the fields add up to when each byte of them is an escape of four.
const maxLine = 1 << 19

// tooLong gives the class of a field that alone fills a line of maxLine.
var tooLong = [...]string{
	fieldPath: pathTooLong, fieldSize: numberRange, fieldMode: badMode, fieldNlink: numberRange,
	fieldUID: numberRange, fieldGID: numberRange, fieldRdev: numberRange, fieldMtime: badMtime,
	fieldPayload: pathTooLong, fieldContent: contentTooBig, fieldDigest: badDigest, fieldXattr: xattrsTooBig,
}

// fieldAt returns the field that byte i of a line belongs to.
func fieldAt(line []byte, i int) field {
	return min(field(bytes.Count(line[:i], []byte{' '})), fieldXattr)
}

// next returns the next line without its LF, io.EOF after the last one. The
// line is good until the next call. Empty lines are let go at the end only.
func (p *parser) next() ([]byte, error) {
	line, err := p.readLF()
	if err != nil || len(line) > 0 {
		return line, err
	}
	empty := p.line
	for err == nil && len(line) == 0 {
		line, err = p.readLF()
	}
	if err == nil {
		p.line = empty
		err = p.errorf(fieldPath, badPath, "an empty line")
	}
	return nil, err
}

// readLF reads up to the next LF, or to the end if the last line has none.
func (p *parser) readLF() ([]byte, error) {
	line, err := p.in.ReadSlice('\n')
	if err == io.EOF && len(line) == 0 {
		return nil, io.EOF
	}
	p.line++
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		f := fieldAt(line, len(line))
		return nil, p.errorf(f, tooLong[f], "a line of more than %d bytes", maxLine)
	case err != nil && err != io.EOF:
		return nil, fmt.Errorf("line %d: %w", p.line, err)
	}
	return bytes.TrimSuffix(line, []byte{'\n'}), nil
}

// split cuts a line, without its LF, into p.fields and p.xattrs.
func (p *parser) split(line []byte) error {
	if i := bytes.IndexByte(line, 0); i >= 0 {
		return p.errorf(fieldAt(line, i), nulByte, "byte %d of the line is NUL", i)
	}
	if n := len(line) - 1; line[n] == '\r' {
		return p.errorf(fieldAt(line, n), badEscape, `a carriage return at the end of the line: it is written \r`)
	}
	rest, more := line, true
	for f := range p.fields {
		switch {
		case more:
			p.fields[f], rest, more = bytes.Cut(rest, []byte{' '})
		case p.options.Compat && field(f) >= fieldPayload:
			p.fields[f] = []byte{'-'}
		default:
			return p.errorf(field(f), missingField, "the line has %d of 11 fields", f)
		}
	}
	p.xattrs, p.hasXattrs = rest, more
	return nil
}

// isSet reports whether one of the fields 9 to 11 has a value.
func (p *parser) isSet(f field) bool {
	return len(p.fields[f]) != 1 || p.fields[f][0] != '-'
}

// decode returns the bytes that a field stands for. They are good until the
// next line is read.
func (p *parser) decode(f field) ([]byte, error) {
	return p.unescape(f, p.fields[f], &p.scratch[f])
}

// decodeText is decode for a field that cannot hold the byte NUL.
func (p *parser) decodeText(f field) ([]byte, error) {
	text, err := p.decode(f)
	if err == nil && bytes.IndexByte(text, 0) >= 0 {
		return nil, p.errorf(f, nulByte, "%s holds the byte NUL", show(p.fields[f]))
	}
	return text, err
}

// unescape returns what text of field f stands for: text itself if it has no
// escapes, else it is kept in scratch.
func (p *parser) unescape(f field, text []byte, scratch *[]byte) ([]byte, error) {
	if bytes.IndexByte(text, '\\') < 0 {
		return text, nil
	}
	out, ok := appendUnescaped((*scratch)[:0], text)
	*scratch = out
	if !ok {
		return nil, p.errorf(f, badEscape, "%s has a backslash that begins no escape", show(text))
	}
	return out, nil
}
