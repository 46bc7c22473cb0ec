package registry

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const foreignType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

// TestForeignLayers: a foreign layer comes from its URLs, or else from the registry; another
// one from the registry, or else from its URLs. No credentials go to URLs.
func TestForeignLayers(t *testing.T) {
	content := strings.Repeat("layer ", 10_000)
	d := v1.Descriptor{MediaType: foreignType, Digest: digest.FromString(content), Size: int64(len(content))}
	var fromURL, fromRegistry atomic.Int64
	good := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("a URL was told %q", r.Header.Get("Authorization"))
		}
		fromURL.Add(1)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	})
	bad := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) })
	page := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>moved") })
	has := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if user, _, _ := r.BasicAuth(); user != "bob" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fromRegistry.Add(1)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	})
	lacks := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotFound) })
	const dead = "http://127.0.0.1:1/x"
	for name, v := range map[string]struct {
		registry, mediaType string
		urls                []string
		want                string // where it comes from
	}{
		"without URLs":                     {has, foreignType, nil, "registry"},
		"nondistributable, without URLs":   {has, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", nil, "registry"},
		"a good URL":                       {lacks, foreignType, []string{"http://" + good + "/x"}, "URL"},
		"a good URL before the registry":   {has, foreignType, []string{"http://" + good + "/x"}, "URL"},
		"the second URL":                   {lacks, foreignType, []string{"http://" + bad + "/x", "http://" + good + "/x"}, "URL"},
		"a dead URL":                       {has, foreignType, []string{dead}, "registry"},
		"a URL that is refused":            {has, foreignType, []string{"http://" + bad + "/x"}, "registry"},
		"a page in its place":              {has, foreignType, []string{"http://" + page + "/x"}, "registry"},
		"URLs of no use":                   {has, foreignType, []string{"ftp://" + good, "http://a:b@" + good, "://", "x", ""}, "registry"},
		"another layer":                    {has, v1.MediaTypeImageLayerGzip, []string{"http://" + good + "/x"}, "registry"},
		"another layer, not in a registry": {lacks, v1.MediaTypeImageLayerGzip, []string{"http://" + good + "/x"}, "URL"},
		"nowhere":                          {lacks, foreignType, []string{"http://" + bad + "/x"}, ""},
		"nowhere, without URLs":            {lacks, foreignType, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			fromURL.Store(0)
			fromRegistry.Store(0)
			i := openIn(t, insecure(v.registry), v.registry+"/a:1", Options{Username: "bob", Password: "secret", Retries: 1})
			d.MediaType, d.URLs = v.mediaType, v.urls
			in, err := i.Open(t.Context(), d, 0)
			if v.want == "" {
				if !errors.Is(err, fs.ErrNotExist) || len(v.urls) > 0 && !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), "file does not exist") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if got, err := io.ReadAll(in); err != nil || string(got) != content {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if (fromURL.Load() > 0) != (v.want == "URL") || (fromRegistry.Load() > 0) != (v.want == "registry") {
				t.Errorf("%d from URLs, %d from the registry", fromURL.Load(), fromRegistry.Load())
			}
		})
	}
}

// TestWrongURL: where a URL has other bytes, the next site is asked when the blob is opened
// once more.
func TestWrongURL(t *testing.T) {
	content := strings.Repeat("layer ", 1000)
	wrong := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.ToUpper(content)) })
	has := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, content) })
	d := v1.Descriptor{MediaType: foreignType, Digest: digest.FromString(content), Size: int64(len(content)), URLs: []string{"http://" + wrong + "/x"}}
	i := openIn(t, insecure(has), has+"/a:1", Options{})
	for n, want := range []string{strings.ToUpper(content), content} {
		in, err := i.Open(t.Context(), d, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(in); err != nil || string(got) != want {
			t.Errorf("opened %d times: %.20q, %v", n+1, got, err)
		}
		in.Close()
	}
}
