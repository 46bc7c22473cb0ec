package blob

import (
	"io"
	"sync"
)

const (
	aheadSize  = 128 << 10 // bytes of one buffer
	aheadCount = 6         // buffers: what one side may be ahead of the other
)

// Ahead reads in on a goroutine of its own, a little ahead of who reads the result,
// so that what is behind in and what is done with it take place at once. On another one
// it writes to also, such as a hash, whatever it read, before that is read from the result;
// also may be nil. Close waits for both, which end when a read of in returns.
func Ahead(in io.Reader, also io.Writer) io.ReadCloser {
	a := &ahead{full: make(chan filled, aheadCount), free: make(chan []byte, aheadCount), stop: make(chan struct{})}
	for range aheadCount {
		a.free <- nil // made when it is needed
	}
	if also == nil {
		a.working.Go(func() { a.fill(in, a.full) })
		return a
	}
	read := make(chan filled, aheadCount)
	a.working.Go(func() {
		defer close(read)
		a.fill(in, read)
	})
	a.working.Go(func() { a.pass(read, also) })
	return a
}

type ahead struct {
	full    chan filled // never blocks: there is room for all buffers
	free    chan []byte
	stop    chan struct{} // closed by Close
	working sync.WaitGroup
	current filled
	at      int // read of current
}

// filled is a buffer and the error that came after its bytes.
type filled struct {
	data []byte
	err  error
}

func (a *ahead) fill(in io.Reader, to chan<- filled) {
	for {
		var buffer []byte
		select {
		case buffer = <-a.free:
		case <-a.stop:
			return
		}
		if buffer == nil {
			buffer = make([]byte, aheadSize)
		}
		n, err := fillUp(in, buffer[:aheadSize])
		to <- filled{buffer[:n], err}
		if err != nil {
			return
		}
	}
}

// pass hands on what was read after it has written it.
func (a *ahead) pass(read <-chan filled, also io.Writer) {
	for f := range read {
		if _, err := also.Write(f.data); err != nil {
			f = filled{err: err}
		}
		a.full <- f
		if f.err != nil {
			return
		}
	}
}

// fillUp is io.ReadFull, but for that it keeps the error which in gave.
func fillUp(in io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var m int
		m, err = in.Read(buffer[n:])
		n += m
	}
	return n, err
}

func (a *ahead) Read(p []byte) (int, error) {
	for a.at == len(a.current.data) {
		if a.current.err != nil {
			return 0, a.current.err
		}
		if a.current.data != nil {
			a.free <- a.current.data
		}
		a.current, a.at = <-a.full, 0
	}
	n := copy(p, a.current.data[a.at:])
	a.at += n
	return n, nil
}

func (a *ahead) Close() error {
	close(a.stop)
	a.working.Wait()
	return nil
}
