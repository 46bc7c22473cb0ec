package registry

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// encoders are the encodings that can be undone, and one that cannot.
var encoders = map[string]func(io.Writer) io.WriteCloser{
	"gzip":   func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"x-gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"GZIP":   func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"zstd": func(w io.Writer) io.WriteCloser {
		z, _ := zstd.NewWriter(w)
		return z
	},
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"Deflate": func(w io.Writer) io.WriteCloser {
		z, _ := flate.NewWriter(w, 1)
		return z
	},
}

func encode(name, text string) string {
	var b bytes.Buffer
	w := encoders[name](&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

// TestEncodedManifests: a manifest, and a token, that come encoded are what they are without
// that, and are asked for as they are.
func TestEncodedManifests(t *testing.T) {
	for name := range encoders {
		var addr string
		addr = serve(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Values("Accept-Encoding"); len(got) != 1 || got[0] != "identity" {
				t.Errorf("%s: asked for as %q", r.URL, got)
			}
			w.Header().Set("Content-Encoding", name)
			switch {
			case r.URL.Path == "/token":
				io.WriteString(w, encode(name, `{"token":"t"}`))
			case r.Header.Get("Authorization") != "Bearer t":
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+addr+`/token"`)
				w.WriteHeader(http.StatusUnauthorized)
			default:
				io.WriteString(w, encode(name, someManifest))
			}
		})
		d, err := openIn(t, insecure(addr), addr+"/a:1", Options{}).Manifest(t.Context())
		if err != nil || d.Digest != digest.FromString(someManifest) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	for header, body := range map[string]string{"gzip": someManifest, "br": someManifest, "identity": someManifest, " , ": someManifest, "gzip, zstd": encode("zstd", encode("gzip", someManifest))} {
		addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", header)
			io.WriteString(w, body)
		})
		if d, err := openIn(t, insecure(addr), addr+"/a:1", Options{}).Manifest(t.Context()); err != nil || d.Digest != digest.FromString(someManifest) {
			t.Errorf("%s: %+v, %v", header, d, err)
		}
	}
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		io.WriteString(w, "\x0b\x02\x80{}\x03")
	})
	if _, err := openIn(t, insecure(addr), addr+"/a:1", Options{Retries: 9}).Manifest(t.Context()); err == nil || !strings.Contains(err.Error(), `"br"`) {
		t.Errorf("br: %v", err)
	}
}

// TestEncodedBlobs: a blob comes as it is, whether the registry encodes it, or calls its own
// compression an encoding, or neither; from its start and from where it stopped.
func TestEncodedBlobs(t *testing.T) {
	tar := strings.Repeat("a tar, which compresses well; ", 20_000)
	layer := encode("gzip", tar)
	const tarType, gzipType = v1.MediaTypeImageLayer, v1.MediaTypeImageLayerGzip
	cut := map[string]bool{"tar, encoded": true, "layer, encoded": true, "layer, as it is": true}
	for _, v := range []struct {
		name, content, mediaType, encoding, sent string
		opens                                    int
	}{
		{"tar, encoded", tar, tarType, "gzip", encode("gzip", tar), 1},
		{"tar, encoded by zstd", tar, tarType, "zstd", encode("zstd", tar), 1},
		{"tar, deflated", tar, tarType, "deflate", encode("deflate", tar), 1},
		{"tar, as it is", tar, tarType, "gzip", tar, 1},
		{"layer, encoded", layer, gzipType, "gzip", encode("gzip", layer), 1},
		{"layer, as it is", layer, gzipType, "gzip", layer, 1},
		{"layer, as it is, called x-gzip", layer, gzipType, "x-gzip", layer, 1},
		{"layer, as it is, of AWS", layer, gzipType, "aws-chunked", layer, 1},
		{"manifest, encoded", someManifest, v1.MediaTypeImageManifest, "gzip", encode("gzip", someManifest), 1},
		{"config, encoded", someManifest, v1.MediaTypeImageConfig, "gzip", encode("gzip", someManifest), 1},
		{"unknown, encoded", tar, "application/x", "gzip", encode("gzip", tar), 1},
		{"unknown, as it is", layer, "application/x", "gzip", layer, 2},
		{"tar that is called a layer, encoded", tar, gzipType, "gzip", encode("gzip", tar), 2},
	} {
		for _, chunked := range []bool{false, true} {
			if chunked && v.encoding == "aws-chunked" {
				continue // which has to have its size
			}
			t.Run(fmt.Sprintf("%s, chunked %v", v.name, chunked), func(t *testing.T) {
				var requests atomic.Int64
				addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Encoding", v.encoding)
					body := v.sent
					if n := requests.Add(1); n == 1 && !chunked && cut[v.name] {
						w.Header().Set("Content-Length", strconv.Itoa(len(body)))
						io.WriteString(w, body[:len(body)/2]) // it is cut off
						return
					}
					if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
						first, _, _ := strings.Cut(from, "-")
						at, _ := strconv.Atoi(first)
						w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(body)-1, len(body)))
						if at >= len(body) {
							w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
							return
						}
						w.WriteHeader(http.StatusPartialContent)
						body = body[at:]
					}
					if chunked {
						w.(http.Flusher).Flush()
					}
					io.WriteString(w, body)
				})
				i := openIn(t, insecure(addr), addr+"/a:1", Options{Retries: 5})
				d := v1.Descriptor{MediaType: v.mediaType, Digest: digest.FromString(v.content), Size: int64(len(v.content))}
				var got string
				for range v.opens {
					got = readBlob(i, d, t)
				}
				if got != v.content {
					t.Errorf("%d bytes, want %d", len(got), len(v.content))
				}
			})
		}
	}
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		io.WriteString(w, "something")
	})
	i := openIn(t, insecure(addr), addr+"/a:1", Options{Retries: 9})
	if _, err := i.Open(t.Context(), v1.Descriptor{MediaType: tarType, Digest: digest.FromString(tar), Size: 100}, 0); err == nil || !strings.Contains(err.Error(), `"br"`) {
		t.Errorf("br: %v", err)
	}
}

func readBlob(i *Remote, d v1.Descriptor, t *testing.T) string {
	in, err := i.Open(t.Context(), d, 0)
	if err != nil {
		return err.Error()
	}
	defer in.Close()
	text, err := io.ReadAll(in)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
