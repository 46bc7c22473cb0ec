package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"time"
)

const (
	roundTrip = 50 * time.Millisecond
	linkRate  = 100e6 / 8 // bytes a second
)

// server is a registry on loopback that counts what it gives of layers, and can be as slow as a link
// of 100 Mbit/s with round trips of 50 ms.
type server struct {
	addr   string
	images map[string]*image

	mu       sync.Mutex
	shaped   bool
	free     time.Time // when the link is free again
	bytes    int64
	requests int
}

func serve(images map[string]*image) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{addr: l.Addr().String(), images: images}
	go http.Serve(l, s) // as long as the program runs
	return s, nil
}

// reset begins to count anew.
func (s *server) reset(shaped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shaped, s.bytes, s.requests, s.free = shaped, 0, 0, time.Now()
}

func (s *server) counted() (int64, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes, s.requests
}

// layers returns how many bytes the layers of an image have.
func (s *server) layers(name string) (n int64) {
	for _, d := range s.images[name].layers {
		n += d.Size
	}
	return n
}

// ServeHTTP answers what clients ask of a registry that pull (OCI distribution specification).
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	words := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	w = s.slowly(w)
	if len(words) == 1 {
		return // /v2/
	}
	i := s.images[words[1]]
	if i == nil || len(words) != 4 {
		http.NotFound(w, r)
		return
	}
	if words[2] == "manifests" {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(i.manifest))
		return
	}
	f, err := os.Open(path.Join(i.dir, strings.TrimPrefix(path.Base(words[3]), "sha256:")))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	for _, d := range i.layers {
		if d.Digest.String() == words[3] {
			s.mu.Lock()
			s.requests++
			s.mu.Unlock()
			w = counting{w, s}
		}
	}
	http.ServeContent(w, r, "", time.Time{}, f)
}

// counting counts the bytes of a body.
type counting struct {
	http.ResponseWriter
	s *server
}

func (c counting) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.bytes += int64(n)
	return n, err
}

// slowly returns what writes an answer as the link does.
func (s *server) slowly(w http.ResponseWriter) http.ResponseWriter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.shaped {
		return w
	}
	return &slow{w, s, false}
}

type slow struct {
	http.ResponseWriter
	s     *server
	begun bool
}

func (w *slow) Write(b []byte) (n int, err error) {
	if !w.begun {
		w.begun = true
		time.Sleep(roundTrip)
	}
	for len(b) > 0 && err == nil {
		piece := b[:min(len(b), 16<<10)]
		time.Sleep(w.s.turn(len(piece)))
		var m int
		m, err = w.ResponseWriter.Write(piece)
		n += m
		b = b[m:]
	}
	return n, err
}

// turn takes the link for some bytes, and returns how long to wait for it.
func (s *server) turn(n int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.free.Before(now) {
		s.free = now
	}
	s.free = s.free.Add(time.Duration(float64(n) / linkRate * 1e9))
	return s.free.Sub(now)
}
