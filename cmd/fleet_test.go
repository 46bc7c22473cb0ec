package cmd

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"cfs/cmd/internal/registrytest"
)

// fleet is a network of machines, each a network namespace, behind one bridge of this machine,
// at which counters listen.
type fleet struct {
	t        testing.TB
	prefix   string   // of addresses: "198.18.7."
	machines []string // namespaces; number n has the address prefix, n+2
}

// newFleet makes machines. It needs root, and the addresses for tests of networks.
func newFleet(t testing.TB, machines int) *fleet {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root makes network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("SKIPPED: ", err)
	}
	id := os.Getpid() % 10_000
	f := &fleet{t: t, prefix: fmt.Sprintf("198.18.%d.", id%250)}
	bridge := fmt.Sprintf("cfsb%d", id)
	t.Cleanup(func() {
		for _, name := range f.machines {
			exec.Command("ip", "netns", "del", name).Run() // what was made
		}
		exec.Command("ip", "link", "del", bridge).Run()
	})
	if out, err := exec.Command("ip", "link", "add", bridge, "type", "bridge").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no bridge can be made here: %v: %s", err, out)
	}
	f.ip("addr add " + f.prefix + "1/24 dev " + bridge)
	f.ip("link set " + bridge + " up")
	for n := range machines {
		name := fmt.Sprintf("cfsm%d-%d", id, n)
		f.ip("netns add " + name)
		f.machines = append(f.machines, name)
		f.ip(fmt.Sprintf("link add cfsv%d-%d type veth peer name eth0 netns %s", id, n, name))
		f.ip(fmt.Sprintf("link set cfsv%d-%d master %s up", id, n, bridge))
		f.ip(fmt.Sprintf("-n %s addr add %s/24 dev eth0", name, f.address(n)))
		f.ip("-n " + name + " link set eth0 up")
		f.ip("-n " + name + " link set lo up")
	}
	return f
}

func (f *fleet) address(machine int) string { return fmt.Sprintf("%s%d", f.prefix, machine+2) }

func (f *fleet) ip(args string) {
	f.t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		f.t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// each runs code on each of the first machines at once, each with a home of its own.
func (f *fleet) each(homes []*home, code string) {
	f.t.Helper()
	var wg sync.WaitGroup
	for n, h := range homes {
		wg.Go(func() {
			c := h.command(code)
			c.Args = append([]string{"ip", "netns", "exec", f.machines[n]}, c.Args...)
			c.Path, _ = exec.LookPath("ip")
			if out, err := c.CombinedOutput(); err != nil {
				f.t.Errorf("machine %d: %v\n%s", n, err, out)
			}
		})
	}
	wg.Wait()
}

// traffic is what came and went by a counter.
type traffic struct {
	requests        int
	received, given int64 // bytes of TCP: of requests, of answers
	blobs           int64 // bytes of answers that are blobs
}

// counter is a proxy before a registry that counts.
type counter struct {
	addr string // HOST:PORT

	mu   sync.Mutex
	from map[string]*traffic // by the address of who asked
}

// count puts a counter before a registry, which listens where the fleet reaches it.
func (f *fleet) count(r *registrytest.Registry) *counter {
	f.t.Helper()
	l, err := net.Listen("tcp", f.prefix+"1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	c := &counter{addr: l.Addr().String(), from: map[string]*traffic{}}
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.Addr})
	p.Transport = &http.Transport{MaxIdleConnsPerHost: 100}
	p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) { w.WriteHeader(http.StatusBadGateway) }
	p.ModifyResponse = func(resp *http.Response) error {
		q := resp.Request
		c.add(q.RemoteAddr, traffic{requests: 1})
		if strings.Contains(q.URL.Path, "/blobs/") && resp.ContentLength > 0 && q.Method == http.MethodGet {
			c.add(q.RemoteAddr, traffic{blobs: resp.ContentLength})
		}
		return nil
	}
	s := &http.Server{Handler: p}
	go s.Serve(counting{l, c})
	f.t.Cleanup(func() { s.Close() })
	return c
}

func (c *counter) add(addr string, more traffic) {
	host, _, _ := net.SplitHostPort(addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.from[host]
	if t == nil {
		t = &traffic{}
		c.from[host] = t
	}
	t.requests += more.requests
	t.received += more.received
	t.given += more.given
	t.blobs += more.blobs
}

// take returns what was counted since the last time, in all, and the most of one machine.
func (c *counter) take() (all, most traffic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.from {
		all.requests += t.requests
		all.received += t.received
		all.given += t.given
		all.blobs += t.blobs
		most.requests = max(most.requests, t.requests)
		most.received = max(most.received, t.received)
		most.given = max(most.given, t.given)
		most.blobs = max(most.blobs, t.blobs)
	}
	clear(c.from)
	return all, most
}

// counting is a listener whose connections count.
type counting struct {
	net.Listener
	c *counter
}

func (l counting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return countingConn{conn, l.c}, err
}

type countingConn struct {
	net.Conn
	c *counter
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.c.add(c.RemoteAddr().String(), traffic{received: int64(n)})
	return n, err
}

func (c countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.c.add(c.RemoteAddr().String(), traffic{given: int64(n)})
	return n, err
}
