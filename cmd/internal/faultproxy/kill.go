package faultproxy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
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

// KillAfter says how the client is killed when it has got n bytes of blobs from now on;
// kill is nil for one that lives. There must be no other client: nobody gets anything of
// a blob from the kill to the next KillAfter.
func (p *Proxy) KillAfter(n int64, kill func()) {
	k := &p.kill
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.kill = n, kill
	k.done.Store(false)
}

// before kills, if it is time, when the client has read all that was sent to it: what
// is on its way is no loss of the client's.
func (k *killer) before(e *Exchange, n int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kill == nil {
		return nil
	}
	if k.left -= int64(n); k.left > 0 {
		return nil
	}
	e.p.flow.Lock()
	defer e.p.flow.Unlock()
	for conn, blob := range e.p.connections() {
		drain(conn)
		e.p.note(blob, func(t *Traffic) { t.Cuts++ })
	}
	k.kill()
	k.kill = nil
	k.done.Store(true)
	return errKilled
}

// connections returns those that live, and the last blob by each: all of it may have
// been sent, and not been stored by the client yet.
func (p *Proxy) connections() map[net.Conn]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.last)
}

// patience is how long the proxy waits for what happens at once on an idle machine.
const patience = 30 * time.Second

// wait waits until something holds, but not for ever.
func wait(holds func() bool) {
	for end := time.Now().Add(patience); !holds() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// WaitIdle waits until the proxy knows that its clients have gone.
func (p *Proxy) WaitIdle() { wait(func() bool { return len(p.connections()) == 0 }) }

// drain waits until the other end of a connection, which is on this machine, has read
// all that was sent.
func drain(c net.Conn) {
	wait(func() bool {
		n, err := unread(c)
		return err != nil || n == 0
	})
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
