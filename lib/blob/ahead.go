package blob

import "io"

const (
	aheadSize  = 128 << 10 // bytes of one buffer
	aheadCount = 4         // buffers: what one side may be ahead of the other
)

// Ahead reads in on a goroutine of its own, a little ahead of who reads the result,
// so that what is behind in and what is done with it take place at once. Close
// waits for the goroutine, which ends when a read of in returns.
func Ahead(in io.Reader) io.ReadCloser {
	a := &ahead{full: make(chan filled, aheadCount), free: make(chan []byte, aheadCount), stop: make(chan struct{}), done: make(chan struct{})}
	for range aheadCount {
		a.free <- make([]byte, aheadSize)
	}
	go a.fill(in)
	return a
}

type ahead struct {
	full    chan filled
	free    chan []byte
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed when the goroutine has ended
	current filled
	at      int // read of current
}

// filled is a buffer and the error that came after its bytes.
type filled struct {
	data []byte
	err  error
}

func (a *ahead) fill(in io.Reader) {
	defer close(a.done)
	for {
		var buffer []byte
		select {
		case buffer = <-a.free:
		case <-a.stop:
			return
		}
		n, err := fillUp(in, buffer[:aheadSize])
		a.full <- filled{buffer[:n], err}
		if err != nil {
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
	<-a.done
	return nil
}
