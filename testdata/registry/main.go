// Registry serves images of OCI layouts as a registry on loopback, for the demo and
// the tests.
//
//	go run ./testdata/registry NAME=DIR...
//
// Each image of the layout DIR is NAME:REF there. It prints its address, HOST:PORT, on
// a line when it is ready, and serves plain HTTP until its stdin ends or it is killed:
// who holds the other end of a pipe to it leaves none behind, however it ends itself.
//
// Manifests and tags are those of the registry of go-containerregistry. Blobs are
// served from the layout's files: that registry answers a range without an end by 416.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: registry NAME=DIR...")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	layouts := make(map[string]*layout)
	for _, arg := range args {
		name, dir, ok := strings.Cut(arg, "=")
		if !ok || layouts[name] != nil {
			return fmt.Errorf("%q: want NAME=DIR, each name once", arg)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		defer root.Close()
		layouts[name] = &layout{root}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ended := make(chan error)
	go func() { ended <- http.Serve(listener, handler(layouts)) }()
	address := listener.Addr().String()
	for name, l := range layouts {
		if err := l.push("http://" + address + "/v2/" + name + "/manifests/"); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if _, err := fmt.Println(address); err != nil {
		return err
	}
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	return <-ended
}

// handler serves blobs of layouts by their names there, and keeps what is pushed.
func handler(layouts map[string]*layout) http.Handler {
	rest := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, blob, isBlob := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/")
		l := layouts[name]
		if !isBlob || l == nil {
			rest.ServeHTTP(w, r)
			return
		}
		if err := l.serve(w, r, blob); err != nil {
			status := http.StatusInternalServerError
			if errors.Is(err, os.ErrNotExist) {
				status = http.StatusNotFound
			}
			http.Error(w, err.Error(), status)
		}
	})
}
