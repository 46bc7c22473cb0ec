package cmd

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/footprint"
	"cfs/cmd/internal/registrytest"
	"cfs/lib/manifest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// listsAs is a registry with an image and the blobs of artifacts, in which list answers for the
// list of what refers to an image.
func listsAs(t testing.TB, seed uint64, fill func(*signed), list func(w http.ResponseWriter, r *http.Request, s *signed)) (*signed, *registrytest.Registry) {
	t.Helper()
	real := registrytest.Handler(false)
	var s *signed
	r := registrytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		name := strings.TrimPrefix(q.URL.Path, "/v2/some/image/")
		switch {
		case strings.HasPrefix(name, "referrers/") && list != nil:
			list(w, q, s)
		case q.Method == http.MethodGet && s != nil && s.tagged && strings.HasPrefix(name, "manifests/sha256-"):
			listsAll(w, q, s)
		case q.Method == http.MethodGet && s != nil && strings.HasPrefix(name, "manifests/sha256:"):
			http.ServeFile(w, q, s.dir+"/blobs/sha256/"+strings.TrimPrefix(name, "manifests/sha256:"))
		case q.Method == http.MethodGet && s != nil && strings.HasPrefix(name, "blobs/sha256:"):
			http.ServeFile(w, q, s.dir+"/blobs/sha256/"+strings.TrimPrefix(name, "blobs/sha256:"))
		default:
			real.ServeHTTP(w, q)
		}
	}))
	made := newSigned(t, seed, r)
	fill(made)
	s = made
	return s, r
}

func answers(status int, text string) func(http.ResponseWriter, *http.Request, *signed) {
	return func(w http.ResponseWriter, _ *http.Request, _ *signed) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}

// listsAll answers with all of the layout's artifacts, as the filter asks or not.
func listsAll(w http.ResponseWriter, _ *http.Request, s *signed) {
	fmt.Fprint(w, s.indexText())
}

func (s *signed) indexText() string {
	var entries []string
	for _, d := range s.ReadIndex().Manifests {
		entries = append(entries, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"artifactType":%q}`, d.MediaType, d.Digest, d.Size, d.ArtifactType))
	}
	return `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[` + strings.Join(entries, ",") + `]}`
}

// TestReferrersRefused: what a registry answers for referrers is a list, or none, or an error: then
// nothing is linked, and nothing is stored.
func TestReferrersRefused(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	one := func(s *signed) { s.sign("one") }
	large := strings.Repeat(" ", 5<<20)
	for name, c := range map[string]struct {
		fill   func(*signed)
		list   func(http.ResponseWriter, *http.Request, *signed)
		status int
		says   string // of an error, or the number of artifacts
	}{
		"a list":          {one, listsAll, 0, "1"},
		"100 artifacts":   {func(s *signed) { s.signMany(100) }, listsAll, 0, "100"},
		"101 artifacts":   {func(s *signed) { s.signMany(101) }, listsAll, 4, "more than 100 signature artifacts"},
		"64 entries":      {func(s *signed) { s.sign(slices.Repeat([]string{"x"}, 64)...) }, listsAll, 0, "1"},
		"65 entries":      {func(s *signed) { s.sign(slices.Repeat([]string{"x"}, 65)...) }, listsAll, 4, "65 layers"},
		"a blob of 16128": {func(s *signed) { s.sign(strings.Repeat("x", 16128)) }, listsAll, 0, "1"},
		"a blob of 16129": {func(s *signed) { s.sign(strings.Repeat("x", 16129)) }, listsAll, 4, "16129 bytes"},
		"5 MiB":           {one, answers(200, large), 4, "larger than 4194304"},
		"another's":       {func(s *signed) { s.sign("one"); s.image = s.artifacts[0]; s.signMany(101) }, listsAll, 0, "1"},
		"other types":     {func(s *signed) { s.sign("one"); s.List(s.Referrer("application/spdx", s.image)) }, listsAll, 0, "1"},
		"404":             {one, nil, 0, "0"},
		"303": {one, func(w http.ResponseWriter, r *http.Request, _ *signed) {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		}, 0, "0"},
		"500":               {one, answers(500, ""), 75, "status 500"},
		"400":               {one, answers(400, ""), 1, "status 400"},
		"nothing":           {one, answers(200, ""), 75, "unexpected EOF"},
		"a cut connection":  {one, func(http.ResponseWriter, *http.Request, *signed) { panic(http.ErrAbortHandler) }, 75, "EOF"},
		"a page for people": {one, answers(200, "<html>"), 4, "the list of referrers"},
		"what it has not":   {one, answers(200, indexOfLost()), 0, "0"},
		"a manifest's digest is wrong": {one, func(w http.ResponseWriter, _ *http.Request, s *signed) {
			other := strings.Replace(s.indexText(), s.artifacts[0].Digest.String(), s.Blob("", []byte(strings.Repeat("x", int(s.artifacts[0].Size)))).Digest.String(), 1)
			fmt.Fprint(w, other)
		}, 4, "referrer sha256:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			_, r := listsAs(t, 31, c.fill, c.list)
			got := h.run(withReferrers + "--retry-times=1 " + r.Source("some/image:1") + " tag")
			if c.status == 0 {
				if n := strings.Count(got.Stdout, "\nreferrer "); got.Status != 0 || fmt.Sprint(n) != c.says {
					t.Errorf("exit status %d, %d artifacts, want %s\n%s", got.Status, n, c.says, got.Stderr)
				}
				h.must("cfs-gc check --content")
				return
			}
			wantError(t, got, c.status, c.says)
			if !strings.HasPrefix(got.Stdout, "failed ") || strings.Count(got.Stdout, "\n") != 1 {
				t.Errorf("it prints\n%s", got.Stdout)
			}
			wantOnlyMeta(t, h.dir+"/repo")
		})
	}
}

func indexOfLost() string {
	return fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":7,"artifactType":%q}]}`, v1.MediaTypeImageManifest, digest.FromString("x"), manifest.SignatureArtifact)
}

// TestReferrersLayoutRefused: the same limits hold for layouts and archives, and for the index
// under the tag of a registry without lists.
func TestReferrersLayoutRefused(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for name, c := range map[string]struct {
		fill func(*signed)
		says string
	}{
		"101 artifacts":   {func(s *signed) { s.signMany(101) }, "more than 100 signature artifacts"},
		"65 entries":      {func(s *signed) { s.sign(slices.Repeat([]string{"x"}, 65)...) }, "65 layers"},
		"a blob of 16129": {func(s *signed) { s.sign(strings.Repeat("x", 16129)) }, "16129 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			s, r := listsAs(t, 32, c.fill, nil)
			s.tagged = true
			h.must("tar -C " + s.dir + " -cf $HOME/a.tar .")
			image := ":@" + s.image.Digest.String()
			for _, source := range []string{"oci:" + s.dir + image, "oci-archive:" + h.dir + "/a.tar" + image, r.Source("some/image:1")} {
				wantError(t, h.run(withReferrers+source+" tag"), 4, c.says)
				wantOnlyMeta(t, h.dir+"/repo")
			}
		})
	}
}

// TestReferrersMemory: the largest list that is read, and one that is larger, take bounded memory,
// whatever they say.
func TestReferrersMemory(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for name, text := range map[string]string{
		"objects": `{"schemaVersion":2,"manifests":[` + strings.Repeat("{},", 1<<20) + `{}]}`,
		"depth":   strings.Repeat("[", 4<<20),
		"text":    `{"schemaVersion":2,"x":"` + strings.Repeat("x", 3<<20) + `","manifests":[]}`,
		"endless": strings.Repeat(" ", 64<<20),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			_, r := listsAs(t, 33, func(s *signed) { s.sign("one") }, answers(200, text))
			got, kib := footprint.Run(t, "cfs-fetch --with-referrers --tls-verify=false --progress=none --spool="+h.dir+"/spool "+r.Source("some/image:1"), h.env)
			t.Logf("exit status %d, %d KiB", got.Status, kib)
			if name == "text" && got.Status != 0 || name != "text" && got.Status != 4 || kib > 64<<10 {
				t.Errorf("exit status %d, %d KiB in memory\n%s", got.Status, kib, got.Stderr)
			}
		})
	}
}
