package splitstream

import (
	"bytes"
	"io"
	"os"
)

// overflowMemory is how many bytes an overflow keeps in memory.
const overflowMemory = 1 << 20

// overflow holds bytes until they can be written on, in memory while they are few,
// then in a temporary file: a tar may claim megabytes of "header".
type overflow struct {
	temp func() (*os.File, error)
	size int64
	head bytes.Buffer
	file *os.File // what did not fit into head, nil before
}

// Write adds p at the end.
func (s *overflow) Write(p []byte) (int, error) {
	if s.file == nil && s.head.Len()+len(p) > overflowMemory {
		f, err := s.temp()
		if err != nil {
			return 0, err
		}
		s.file = f
	}
	var w io.Writer = &s.head
	if s.file != nil {
		w = s.file
	}
	n, err := w.Write(p)
	s.size += int64(n)
	return n, err
}

// drain writes all to dst and empties the overflow.
func (s *overflow) drain(dst io.Writer) error {
	if _, err := s.head.WriteTo(dst); err != nil {
		return err
	}
	s.head.Reset()
	s.size = 0
	if s.file == nil {
		return nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(dst, s.file); err != nil {
		return err
	}
	return s.close()
}

func (s *overflow) close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}
