package cmd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// errKilled is why a body ends when its reader has been killed.
var errKilled = errors.New("the client was killed")

// killer kills a client when it has got a number of bytes.
type killer struct {
	mu   sync.Mutex
	left int64
	kill func()      // nil: nobody is killed
	done atomic.Bool // it was killed; the system still takes what goes to it, for a while
}

// arm says which client is killed, after how many bytes from now. There must be no other
// one: nobody gets anything of a blob from the kill to the next arm.
func (k *killer) arm(after int64, kill func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.kill = after, kill
	k.done.Store(false)
}

// before kills, if it is time, when the client has read all that was sent to it: what
// is on its way is no loss of the client's.
func (k *killer) before(e *exchange, n int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kill == nil {
		return nil
	}
	if k.left -= int64(n); k.left > 0 {
		return nil
	}
	e.flow.Lock()
	defer e.flow.Unlock()
	for conn, blob := range e.connections() {
		drain(conn)
		e.note(&exchange{blob: blob}, func(t *traffic) { t.cuts++ })
	}
	k.kill()
	k.kill = nil
	k.done.Store(true)
	return errKilled
}

// connections returns those that live, and the last blob by each: all of it may have
// been sent, and not been stored by the client yet.
func (p *faultProxy) connections() map[net.Conn]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.last)
}

// waitIdle waits until the proxy knows that its clients have gone.
func (p *faultProxy) waitIdle() {
	for range 2000 {
		if len(p.connections()) == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// drain waits until the other end of a connection, which is on this machine, has read
// all that was sent, but not for long: it may have other things to do.
func drain(c net.Conn) {
	for range 500 {
		if n, err := unread(c); err != nil || n == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// unread returns how many bytes are on their way to the other end, or lie there.
func unread(c net.Conn) (n int64, err error) {
	here, there := procAddr(c.LocalAddr()), procAddr(c.RemoteAddr())
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var sent, received int64
		field := strings.Fields(lines.Text())
		if len(field) < 5 {
			continue
		}
		if _, err := fmt.Sscanf(field[4], "%x:%x", &sent, &received); err != nil {
			continue // the heading
		}
		switch {
		case field[1] == here && field[2] == there:
			n += sent
		case field[1] == there && field[2] == here:
			n += received
		}
	}
	return n, nil
}

// procAddr writes an address as /proc/net/tcp has it (proc(5)): the four bytes as a
// number of this machine's order.
func procAddr(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(tcp.IP.To4()), tcp.Port)
}

// TestUnread: what a reader has not read of a connection is known.
func TestUnread(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reader, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	writer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for _, step := range []struct{ write, read, want int }{{5000, 0, 5000}, {0, 2000, 3000}, {0, 3000, 0}} {
		if _, err := writer.Write(make([]byte, step.write)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(reader, make([]byte, step.read)); err != nil {
			t.Fatal(err)
		}
		// What has arrived is known a moment later.
		for range 100 {
			if n, err := unread(writer); err != nil || n == int64(step.want) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if n, err := unread(writer); err != nil || n != int64(step.want) {
			t.Errorf("after %+v: %d, %v", step, n, err)
		}
	}
}
