package blob

// Span is some bytes of a blob, from the one at Start on to the one before End.
type Span struct{ Start, End int64 }

// Len returns how many bytes it has.
func (s Span) Len() int64 { return s.End - s.Start }
