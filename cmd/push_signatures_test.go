package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
	"cfs/lib/manifest"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// signed is a layout of an image with artifacts of signatures, of which the blobs are no true
// ones: what carries them does not look into them.
type signed struct {
	imagetest.Layout
	dir       string
	image     v1.Descriptor
	artifacts []v1.Descriptor
	tagged    bool // a registry of a test has the index of artifacts under their tag
}

// newSigned writes an image, and pushes it to some/image:1, if there is a registry, before the
// layout has artifacts.
func newSigned(t testing.TB, seed uint64, r *registrytest.Registry) *signed {
	t.Helper()
	dir := randomImage(t, seed, 2000)
	s := &signed{Layout: imagetest.NewLayout(t, dir), dir: dir, image: imagetest.Top(t, dir)}
	if r != nil {
		r.Push(t, dir, "some/image:1")
	}
	return s
}

const signatureType = "application/vnd.composefs.signature.v1+pkcs7"

// sign adds an artifact with blobs of these texts.
func (s *signed) sign(texts ...string) v1.Descriptor {
	var layers []v1.Descriptor
	for _, text := range texts {
		layers = append(layers, s.Blob(signatureType, []byte(text)))
	}
	d := s.Referrer(manifest.SignatureArtifact, s.image, layers...)
	s.List(d)
	s.artifacts = append(s.artifacts, d)
	return d
}

// listed asks a registry, by a client that is not ours, for the artifacts of an image.
func listed(t testing.TB, r *registrytest.Registry, image v1.Descriptor) (found []string) {
	t.Helper()
	repo := r.Repository(t, "some/image")
	err := repo.Referrers(context.Background(), image, "", func(list []v1.Descriptor) error {
		for _, d := range list {
			found = append(found, d.Digest.String())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	slices.Sort(found)
	return found
}

// wantListed checks that a registry has the artifacts, and lists them.
func (s *signed) wantListed(t testing.TB, r *registrytest.Registry) {
	t.Helper()
	var want []string
	for _, d := range s.artifacts {
		want = append(want, d.Digest.String())
		rc, err := r.Repository(t, "some/image").Manifests().Fetch(context.Background(), d)
		if err != nil {
			t.Error(err)
			continue
		}
		rc.Close()
	}
	slices.Sort(want)
	if got := listed(t, r, s.image); !slices.Equal(got, want) {
		t.Errorf("the registry lists\n%q, want\n%q", got, want)
	}
}

// pushCode is the command that pushes the signatures of a layout.
func pushCode(h *home, r *registrytest.Registry, dir string) string {
	code := "cfs-fetch push-signatures --tls-verify=false "
	if r.Password != "" {
		h.stdin = r.Password
		code += "--creds=" + registrytest.User + " --password-stdin "
	}
	return code + dir + " " + r.Source("some/image:1")
}

// TestPushSignatures: what is pushed other clients find, in registries that list what refers to
// an image and in others; a second push changes nothing, and one more artifact is added.
func TestPushSignatures(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *registrytest.Registry{
		"Debian":          registrytest.DebianOpen,
		"Debian password": func(t testing.TB) *registrytest.Registry { return registrytest.DebianHtpasswd(t, nil) },
		"Debian tokens": func(t testing.TB) *registrytest.Registry {
			r, _ := registrytest.DebianTokens(t)
			return r
		},
		"Go":       func(t testing.TB) *registrytest.Registry { return registrytest.InProcess(t) },
		"Go lists": func(t testing.TB) *registrytest.Registry { return registrytest.Serve(t, registrytest.Handler(true)) },
		"Go says it": func(t testing.TB) *registrytest.Registry {
			return registrytest.Serve(t, ociSubject(registrytest.Handler(true)))
		},
		"Go conditional": func(t testing.TB) *registrytest.Registry {
			return registrytest.Serve(t, &registrytest.Conditional{Registry: registrytest.Handler(false)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, h := start(t), newHome(t)
			s := newSigned(t, 11, r)
			s.sign("one", "two")
			s.sign("one", "three")
			first := h.must(pushCode(h, r, s.dir))
			s.wantListed(t, r)
			for i, line := range strings.Split(strings.TrimSpace(first), "\n") {
				rec := parseRecord(t, line)
				if rec.Kind != "referrer" || rec.Digest != s.artifacts[i].Digest.String() || rec.Get("subject") != s.image.Digest.String() || rec.Get("source") != r.Source("some/image:1") {
					t.Errorf("record %s", line)
				}
			}
			if again := h.must(pushCode(h, r, "oci:"+s.dir)); again != first {
				t.Errorf("again it prints\n%swant\n%s", again, first)
			}
			s.sign("four")
			h.must(pushCode(h, r, s.dir))
			s.wantListed(t, r)
		})
	}
}

// ociSubject has a registry say of each artifact that it will list it.
func ociSubject(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256:") {
			text, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(text))
			if m, err := manifest.Parse(text); err == nil && m.Subject != nil {
				w.Header().Set("OCI-Subject", m.Subject.Digest.String())
			}
		}
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256-") {
			w.WriteHeader(http.StatusForbidden) // a tag that nobody needs
			return
		}
		h.ServeHTTP(w, r)
	})
}

// TestPushSignaturesNothing: an image that is not there, or a layout that is not whole, has
// nothing pushed.
func TestPushSignaturesNothing(t *testing.T) {
	t.Parallel()
	type where struct {
		s      *signed
		source string
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, w *where, r *registrytest.Registry)
		status  int
		says    string
	}{
		"no subject": {func(t *testing.T, w *where, _ *registrytest.Registry) {
			w.s = newSigned(t, 13, nil)
			w.s.sign("one")
		}, 3, "push the image first"},
		"no subject of one": {func(t *testing.T, w *where, _ *registrytest.Registry) {
			w.s.sign("one")
			other := newSigned(t, 14, nil)
			w.s.List(w.s.Referrer(manifest.SignatureArtifact, other.image))
		}, 3, "push the image first"},
		"another image": {func(t *testing.T, w *where, r *registrytest.Registry) {
			w.s.sign("one")
			r.Push(t, newSigned(t, 15, nil).dir, "some/image:2")
			w.source = r.Source("some/image:2")
		}, 3, "to which no artifact of the layout refers"},
		"no image": {func(t *testing.T, w *where, r *registrytest.Registry) {
			w.s.sign("one")
			w.source = r.Source("some/other:1")
		}, 3, "push the image first"},
		"no tag": {func(t *testing.T, w *where, r *registrytest.Registry) {
			w.s.sign("one")
			w.source = r.Source("some/image:3")
		}, 3, "no such image"},
		"no artifacts": {func(*testing.T, *where, *registrytest.Registry) {}, 3, "has no signature artifacts"},
		"no blob": {func(t *testing.T, w *where, _ *registrytest.Registry) {
			w.s.sign("one")
			blob := w.s.Blob(signatureType, []byte("two"))
			w.s.sign("two")
			os.Remove(w.s.dir + "/blobs/sha256/" + blob.Digest.Encoded())
		}, 3, "artifact sha256:"},
		"torn blob": {func(t *testing.T, w *where, _ *registrytest.Registry) {
			blob := w.s.Blob(signatureType, []byte("one"))
			w.s.sign("one")
			os.WriteFile(w.s.dir+"/blobs/sha256/"+blob.Digest.Encoded(), []byte("two"), 0o644)
		}, 4, "artifact sha256:"},
		"65 entries":    {func(t *testing.T, w *where, _ *registrytest.Registry) { w.s.sign(slices.Repeat([]string{"x"}, 65)...) }, 4, "65 layers"},
		"16,129 bytes":  {func(t *testing.T, w *where, _ *registrytest.Registry) { w.s.sign(strings.Repeat("x", 16129)) }, 4, "16129 bytes"},
		"101 artifacts": {func(t *testing.T, w *where, _ *registrytest.Registry) { w.s.signMany(101) }, 4, "more than 100 signature artifacts"},
		"no layout":     {func(_ *testing.T, w *where, _ *registrytest.Registry) { w.s.dir = "/nowhere" }, 3, "nowhere"},
		"no registry":   {func(t *testing.T, w *where, _ *registrytest.Registry) { w.s.sign("one"); w.source = "oci:/x" }, 2, "want docker://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var writes []string
			var mu sync.Mutex
			real := registrytest.Handler(false)
			r := registrytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if mu.Lock(); q.Method != http.MethodGet && q.Method != http.MethodHead {
					writes = append(writes, q.Method+" "+q.URL.Path)
				}
				mu.Unlock()
				real.ServeHTTP(w, q)
			}))
			h, w := newHome(t), &where{newSigned(t, 12, r), r.Source("some/image:1")}
			c.prepare(t, w, r)
			writes = nil
			got := h.run("cfs-fetch push-signatures --tls-verify=false " + w.s.dir + " " + w.source)
			if got.Stdout != "" || writes != nil {
				t.Errorf("it pushed %q, and printed %q", writes, got.Stdout)
			}
			wantError(t, got, c.status, c.says)
		})
	}
}

// signMany adds n artifacts, each with a blob of its own.
func (s *signed) signMany(n int) {
	var list []v1.Descriptor
	for i := range n {
		list = append(list, s.Referrer(manifest.SignatureArtifact, s.image, s.Blob(signatureType, fmt.Append(nil, i))))
	}
	s.List(list...)
	s.artifacts = append(s.artifacts, list...)
}

// TestPushSignaturesTag: what somebody has under the tag for the index is left as it is, and what
// an index has of others stays.
func TestPushSignaturesTag(t *testing.T) {
	t.Parallel()
	r, h := registrytest.InProcess(t), newHome(t)
	s := newSigned(t, 16, r)
	s.sign("one")
	tag := "some/image:" + manifest.ReferrersTag(s.image.Digest)
	image := imagetest.Blob(t, s.dir, s.image.Digest)
	r.PutManifest(t, tag, s.image.MediaType, string(image))
	wantError(t, h.run(pushCode(h, r, s.dir)), 1, "not an index of referrers")
	stays := func(want string) {
		t.Helper()
		got := registrytest.Get(t, "http://"+r.Addr+"/v2/"+strings.Replace(tag, ":", "/manifests/", 1))
		if !strings.Contains(string(got.Text), want) {
			t.Errorf("under the tag is\n%s", got.Text)
		}
	}
	stays(string(image))
	const other = `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","annotations":{"a":"b"},"x":[1],"manifests":[` +
		`{"mediaType":"` + v1.MediaTypeImageManifest + `","digest":"%s","size":2,"artifactType":"application/spdx","y":{"z":1}}]}`
	r.PutManifest(t, tag, v1.MediaTypeImageIndex, fmt.Sprintf(other, s.image.Digest))
	h.must(pushCode(h, r, s.dir))
	for _, want := range []string{`"annotations":{"a":"b"}`, `"x":[1]`, `"y":{"z":1}`, s.artifacts[0].Digest.String()} {
		stays(want)
	}
}

// TestPushSignaturesTogether: of many that push at once to a registry that heeds conditions, no
// one's artifact is lost.
func TestPushSignaturesTogether(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	c := &registrytest.Conditional{Registry: registrytest.Handler(false)}
	r, h := registrytest.Serve(t, c), newHome(t)
	all := newSigned(t, 17, r)
	var wg sync.WaitGroup
	for i := range 8 {
		s := newSigned(t, 17, nil)
		all.artifacts = append(all.artifacts, s.sign(fmt.Sprint(i)))
		wg.Go(func() {
			if got := cmdtest.Run(t, h.command(pushCode(h, r, s.dir))); got.Status != 0 {
				t.Errorf("exit status %d: %s", got.Status, got.Stderr)
			}
		})
	}
	wg.Wait()
	all.wantListed(t, r)
	t.Logf("%d requests came too late", c.Refused())
}

// TestPushSignaturesLogin: without the right login nothing is pushed.
func TestPushSignaturesLogin(t *testing.T) {
	t.Parallel()
	r, h := registrytest.DebianHtpasswd(t, nil), newHome(t)
	s := newSigned(t, 18, r)
	s.sign("one")
	wantError(t, h.run("cfs-fetch push-signatures --tls-verify=false "+s.dir+" "+r.Source("some/image:1")), 1, "log in")
	if got := listed(t, r, s.image); got != nil {
		t.Errorf("the registry lists %q", got)
	}
	h.write("run/containers/auth.json", login(r.Addr, registrytest.Secret))
	h.must("cfs-fetch push-signatures --tls-verify=false " + s.dir + " " + r.Source("some/image:1"))
	s.wantListed(t, r)
}
