package corrupt

import "io"

// Source stands between a reader and a decoder, which may fail because of either what it
// reads or the reader: only Source knows.
type Source struct {
	In  io.Reader
	err error // of In, but for io.EOF
}

// Read reads from In.
func (s *Source) Read(p []byte) (int, error) {
	n, err := s.In.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Errorf is for an error of the decoder. If In has failed, it returns the error of In as
// it is: the decoder has not seen all. Else it is as the function Errorf.
func (s *Source) Errorf(format string, args ...any) error {
	if s.err != nil {
		return s.err
	}
	return Errorf(format, args...)
}
