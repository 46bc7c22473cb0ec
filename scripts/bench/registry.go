package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
)

// registry is Debian's docker-registry on loopback. Its CPU time does not count.
type registry struct {
	addr    string
	process *exec.Cmd
	links   []net.Listener
}

// serve starts the registry, once. It is nil if the program is not there.
func (b *bench) serve() (*registry, error) {
	if b.served != nil {
		return b.served, nil
	}
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		fmt.Fprintln(b.stderr, "bench: LEFT OUT: jobs with a registry, for which docker-registry must be on PATH")
		return nil, nil
	}
	config := b.path("run/registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: '127.0.0.1:0'}\n", b.path("run/registry"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	r := &registry{process: exec.Command(program, "serve", config)}
	r.process.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	log, err := r.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := r.process.Start(); err != nil {
		return nil, err
	}
	b.served = r
	r.addr, err = listening(log)
	return r, err
}

// listening reads from the log of a registry where it listens, and drains the rest.
func listening(log io.Reader) (addr string, err error) {
	line := regexp.MustCompile(`msg="listening on ([0-9.:]+)`)
	said := ""
	for lines := bufio.NewScanner(log); lines.Scan(); said += lines.Text() + "\n" {
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			go io.Copy(io.Discard, log) // until it ends
			return m[1], nil
		}
	}
	return "", fmt.Errorf("docker-registry does not start:\n%s", said)
}

// stop ends the registry and the links to it.
func (r *registry) stop() {
	if r == nil {
		return
	}
	for _, l := range r.links {
		l.Close()
	}
	_ = r.process.Process.Kill()
	_ = r.process.Wait() // it was killed
}

// push copies the image of a layout to NAME:latest.
func (r *registry) push(ctx context.Context, from, name string) error {
	store, err := oci.NewFromFS(ctx, os.DirFS(from))
	if err != nil {
		return err
	}
	repo, err := remote.NewRepository(r.addr + "/" + name)
	if err != nil {
		return err
	}
	repo.PlainHTTP = true
	_, err = oras.Copy(ctx, store, "latest", repo, "latest", oras.DefaultCopyOptions)
	return err
}

// link returns the address of a link to the registry that lets so many bytes through in a
// second, of all connections together.
func (r *registry) link(rate float64) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	r.links = append(r.links, l)
	p := &pace{rate: rate}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.forward(c, p)
		}
	}()
	return l.Addr().String(), nil
}

func (r *registry) forward(c net.Conn, p *pace) {
	defer c.Close()
	to, err := net.Dial("tcp", r.addr)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, c)
		to.Close()
	}()
	_, _ = io.CopyBuffer(paced{c, p}, only{to}, make([]byte, 64<<10))
}

// pace is when the link is free again.
type pace struct {
	rate float64
	mu   sync.Mutex
	free time.Time
}

// paced is a connection that waits for its turn before it is written to.
type paced struct {
	net.Conn
	*pace
}

func (w paced) Write(data []byte) (int, error) {
	w.mu.Lock()
	start := time.Now()
	if w.free.After(start) {
		start = w.free
	}
	w.free = start.Add(time.Duration(float64(len(data)) / w.rate * 1e9))
	w.mu.Unlock()
	time.Sleep(time.Until(start))
	return w.Conn.Write(data)
}

// ReadFrom would go past Write.
func (w paced) ReadFrom(in io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w}, in, make([]byte, 64<<10))
}

const (
	fetchOurs   = `cfs-fetch --progress none --tls-verify=false --keep-spool --spool spool "docker://$1" >records`
	fetchTheirs = `skopeo copy --quiet --src-tls-verify=false "docker://$1" oci:spool`
	pullOurs    = `cfs-pull --progress none --tls-verify=false --spool spool --init --insecure --repo repo "docker://$1" bench`
	pullTheirs  = `cfsctl init --insecure --algorithm fsverity-sha512-12 repo && cfsctl --repo repo oci pull "docker://$1" bench`
)

// published returns what an image of a layout is called in the registry, behind a link of some
// bytes a second, 0 for all that the machine can do, and the environment in which all find it.
// The name is "" without a registry.
func (b *bench) published(layout string, rate float64) (image string, env []string, err error) {
	r, err := b.serve()
	if err != nil || r == nil {
		return "", nil, err
	}
	addr := r.addr
	if rate > 0 {
		if addr, err = r.link(rate); err != nil {
			return "", nil, err
		}
	}
	name, _, _ := strings.Cut(filepath.Base(layout), "@")
	home := b.path("run/home") // where old versions of skopeo look, which do not know the variable
	conf := filepath.Join(home, ".config/containers/registries.conf")
	text := fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", addr)
	err = errors.Join(os.MkdirAll(filepath.Dir(conf), 0o755), os.WriteFile(conf, []byte(text), 0o644), r.push(b.ctx, layout, name))
	return addr + "/" + name + ":latest", []string{"HOME=" + home, "CONTAINERS_REGISTRIES_CONF=" + conf}, err
}

func fromRegistry(name string, rate float64) func(*bench) (*task, error) {
	return func(b *bench) (*task, error) {
		s := b.shape(name)
		layout, err := b.layout(name, s, "gzip")
		if err != nil {
			return nil, err
		}
		image, env, err := b.published(layout, rate)
		if err != nil || image == "" {
			return nil, err
		}
		in := []string{image}
		runs := b.here(
			contestant{name: "cfs-pull", kind: kindOurs, command: command{pullOurs, in, env}, result: images},
			contestant{name: "cfsctl", kind: kindOther, command: command{pullTheirs, in, env}, result: images},
			contestant{name: "cfs-fetch alone", kind: kindPart, command: command{fetchOurs, in, env}},
			contestant{name: "cfs-pull of a layout", kind: kindPart, command: command{code: ourPull, operands: []string{layout}}},
		)
		limits, err := b.pullLimits(name, s, layout, "gzip")
		return &task{entries: s.files(), runs: append(runs, limits...)}, err
	}
}

func fetch(b *bench) (*task, error) {
	s := b.shape("system")
	layout, err := b.layout("system", s, "gzip")
	if err != nil {
		return nil, err
	}
	image, env, err := b.published(layout, 0)
	if err != nil || image == "" {
		return nil, err
	}
	list, err := blobs(layout)
	if err != nil {
		return nil, err
	}
	in := []string{image}
	return &task{entries: s.files(), runs: append(b.here(
		contestant{name: "cfs-fetch", kind: kindOurs, command: command{fetchOurs, in, env}},
		contestant{name: "skopeo", kind: kindOther, command: command{fetchTheirs, in, env}},
	), b.limit("sha256", false, list...))}, nil
}
