package tool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"cfs/lib/record"
	"cfs/lib/terminal"
)

// Stage is what a stage of the pipe does. Check, Start, Finish and Close may be nil.
type Stage struct {
	Check  func() error              // of the command line, before all else
	Start  func() error              // before stdin is read
	Handle func(record.Record) error // with each record: writes what comes of it
	Finish func() error              // at the end of the input
	Close  func() error              // in the end, also after a failure

	// Product is set where the stage makes something that is worth finishing though nobody
	// reads its records any more.
	Product bool

	// From is the pipe that the records come from, for the error about a terminal.
	From string
}

// Filter runs a stage of the pipe over stdin. A failure of an earlier stage is
// handed on, and one of this stage is written as the last record.
func (o *Options) Filter(out *record.Writer, s Stage) error {
	if !s.Product {
		WatchReader(out)
	}
	return o.Fail(out, s.run(os.Stdin, out))
}

func (s Stage) run(in io.Reader, out *record.Writer) (err error) {
	defer Close(s.Close, &err)
	if s.Check != nil {
		if err := s.Check(); err != nil {
			return err
		}
	}
	if f, ok := in.(*os.File); ok && terminal.Is(f) { // where it would wait without a word
		return UsageError("the records come from a pipe, such as: %s", s.From)
	}
	if s.Start != nil {
		if err := s.Start(); err != nil {
			return err
		}
	}
	if err := filter(in, out, s.Handle); err != nil || s.Finish == nil {
		return err
	}
	return s.Finish()
}

// Close closes what a command has used. Its failure is that of the command, err, if that has
// no other.
func Close(end func() error, err *error) {
	if end == nil {
		return
	}
	if failed := end(); *err == nil {
		*err = failed
	}
}

// Fail writes an error as the last record, so that the next stage knows, unless it
// is one that was handed on. It returns the error.
func (o *Options) Fail(out *record.Writer, err error) error { return fail(o.Tool, out, err) }

func fail(tool string, out *record.Writer, err error) error {
	if e, ok := errors.AsType[*statusError](err); err == nil || ok && e.err == nil {
		return err
	}
	return errors.Join(err, writeFailed(out, record.Record{Kind: "failed", Digest: record.None, Keys: []record.Key{
		{Name: "tool", Value: tool}, {Name: "status", Value: strconv.Itoa(Status(err))},
	}}))
}

// writeFailed writes the record of a failure. On a terminal it would be noise: no stage reads it.
func writeFailed(out *record.Writer, r record.Record) error {
	if terminal.Is(os.Stdout) {
		return nil
	}
	return out.Write(r)
}

func filter(in io.Reader, out *record.Writer, handle func(record.Record) error) error {
	for records := record.NewReader(in); ; {
		r, err := records.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("stdin: %w", err)
		}
		if r.Kind == "failed" {
			if err := writeFailed(out, r); err != nil {
				return err
			}
			return Silent(recordStatus(r))
		}
		if err := handle(r); err != nil {
			return err
		}
	}
}

// recordStatus returns the exit status that a record tells, 1 if it tells none.
func recordStatus(r record.Record) int {
	status, err := strconv.ParseUint(r.Get("status"), 10, 8)
	if err != nil || status == 0 {
		return Failed
	}
	return int(status)
}
