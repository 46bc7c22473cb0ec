package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Reader reads records from a stream, past empty lines and comments.
type Reader struct {
	in   *bufio.Reader
	line int
}

// NewReader returns a Reader of in.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, MaxLine)}
}

// Next returns the next record, io.EOF at the end. A last line without a newline
// was cut off, and is an error.
func (r *Reader) Next() (Record, error) {
	for {
		line, err := r.in.ReadSlice('\n')
		r.line++
		switch {
		case err == io.EOF && len(line) == 0:
			return Record{}, io.EOF
		case err == bufio.ErrBufferFull:
			return Record{}, fmt.Errorf("record on line %d is longer than %d bytes", r.line, MaxLine)
		case err == io.EOF:
			return Record{}, fmt.Errorf("record on line %d is cut off", r.line)
		case err != nil:
			return Record{}, err
		}
		text := strings.TrimSuffix(string(line), "\n")
		if text == "" || text[0] == '#' {
			continue
		}
		rec, err := Parse(text)
		if err != nil {
			return Record{}, fmt.Errorf("line %d: %w", r.line, err)
		}
		return rec, nil
	}
}

// Writer writes records, each at once. It may be used by several goroutines. A record
// of a failure is the last one: after it nothing is written.
type Writer struct {
	Out  io.Writer
	JSON bool

	mu     sync.Mutex
	failed bool
}

// Failed reports whether the record of a failure was written.
func (w *Writer) Failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// Write writes one record.
func (w *Writer) Write(r Record) error {
	line := r.String()
	if w.JSON {
		line = r.JSON()
	}
	if len(line) >= MaxLine {
		return fmt.Errorf("record of %d bytes is too long: %.100s", len(line), line)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed {
		return errors.New("records have ended with a failure")
	}
	w.failed = r.Kind == "failed"
	_, err := io.WriteString(w.Out, line+"\n")
	return err
}
