package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/temporary"
)

var subject = digest.FromString("subject")

// entry is the descriptor of an artifact whose text is its name, of a type.
func entry(name, artifactType string) string {
	if artifactType != "" {
		artifactType = fmt.Sprintf(`,"artifactType":%q`, artifactType)
	}
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, v1.MediaTypeImageManifest, digest.FromString(name), len(name), artifactType)
}

func indexOf(entries ...string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, v1.MediaTypeImageIndex, strings.Join(entries, ","))
}

// paths answers each path with a status and a text; others with 404.
type paths map[string]func(http.ResponseWriter, *http.Request)

func (p paths) serve(t *testing.T) string {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if answer := p[r.URL.Path]; answer != nil {
			answer(w, r)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
}

func answer(status int, text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

var (
	listPath = "/v2/a/referrers/" + subject.String()
	tagPath  = "/v2/a/manifests/" + manifest.ReferrersTag(subject)
)

// names returns the digests of a list as the names of which they are.
func names(list []v1.Descriptor, of ...string) (found []string) {
	for _, d := range list {
		i := slices.IndexFunc(of, func(name string) bool { return digest.FromString(name) == d.Digest })
		if i < 0 {
			return []string{"unexpected " + d.Digest.String()}
		}
		found = append(found, of[i])
	}
	return found
}

// TestReferrers: the list of a registry counts, filtered by it or not, over pages, or the index
// under the tag where there is no list.
func TestReferrers(t *testing.T) {
	const sig = manifest.SignatureArtifact
	unfiltered := indexOf(entry("x", sig), entry("sbom", "application/spdx"), entry("y", ""), entry("x", sig), entry("z", v1.MediaTypeEmptyJSON))
	page := func(n int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Query().Get("artifactType") != sig:
				w.WriteHeader(http.StatusBadRequest)
			case r.URL.Query().Get("last") == "":
				w.Header().Set("Link", fmt.Sprintf(`<%s?artifactType=%s&last=1>; rel="next"`, []string{"", listPath}[n], "application%2Fvnd.composefs.metadata.v1"))
				io.WriteString(w, indexOf(entry("x", sig)))
			default:
				io.WriteString(w, indexOf(entry("y", sig)))
			}
		}
	}
	toPage := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusSeeOther) }
	for name, c := range map[string]struct {
		answers paths
		want    []string
	}{
		"unfiltered":            {paths{listPath: answer(200, unfiltered)}, []string{"x", "y", "z"}},
		"empty":                 {paths{listPath: answer(200, indexOf()), tagPath: answer(200, unfiltered)}, nil},
		"pages":                 {paths{listPath: page(1)}, []string{"x", "y"}},
		"pages by query alone":  {paths{listPath: page(0)}, []string{"x", "y"}},
		"404":                   {paths{tagPath: answer(200, unfiltered)}, []string{"x", "y", "z"}},
		"303":                   {paths{listPath: toPage, "/login": answer(200, "<html>"), tagPath: answer(200, unfiltered)}, []string{"x", "y", "z"}},
		"404, no tag":           {paths{}, nil},
		"404, tag of a image":   {paths{tagPath: answer(200, `{"schemaVersion":2,"config":{},"layers":[]}`)}, nil},
		"the subject is listed": {paths{listPath: answer(200, indexOf(entry("subject", sig), entry("x", sig)))}, []string{"x"}},
	} {
		addr := c.answers.serve(t)
		i := openIn(t, insecure(addr), addr+"/a:1", Options{})
		list, err := i.Referrers(t.Context(), subject)
		if got := names(list, "x", "y", "z"); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

// TestReferrersErrors: no error is taken for an empty list, and no list is read beyond its
// limits, or from another host.
func TestReferrersErrors(t *testing.T) {
	large := indexOf(entry("x", "")) + strings.Repeat(" ", 5<<20)
	var many []string
	for n := range maxListed + 1 {
		many = append(many, entry(fmt.Sprint(n), ""))
	}
	link := func(target string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "<"+target+">; rel=next")
			io.WriteString(w, indexOf())
		}
	}
	padded := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "<"+listPath+">; rel=next")
		io.WriteString(w, indexOf()+strings.Repeat(" ", 1<<20))
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `{"manifests":[`)
	}
	other := func(err error) bool { return !corrupt.Is(err) && !temporary.Is(err) && !errors.Is(err, ErrLogin) }
	login := func(err error) bool { return errors.Is(err, ErrLogin) }
	for name, c := range map[string]struct {
		answers paths
		is      func(error) bool
	}{
		"500":                   {paths{listPath: answer(500, "")}, temporary.Is},
		"429":                   {paths{listPath: answer(429, "")}, temporary.Is},
		"400":                   {paths{listPath: answer(400, "")}, other},
		"403":                   {paths{listPath: answer(403, "")}, login},
		"nothing":               {paths{listPath: answer(200, "")}, temporary.Is},
		"cut off":               {paths{listPath: cut}, temporary.Is},
		"no JSON":               {paths{listPath: answer(200, "<html>")}, corrupt.Is},
		"no index":              {paths{listPath: answer(200, `{"schemaVersion":2,"config":{},"layers":[]}`)}, corrupt.Is},
		"bad digest":            {paths{listPath: answer(200, strings.Replace(indexOf(entry("x", "")), "sha256:", "sha256:../", 1))}, corrupt.Is},
		"5 MiB":                 {paths{listPath: answer(200, large)}, corrupt.Is},
		"5 MiB in pages":        {paths{listPath: padded}, corrupt.Is},
		"pages without end":     {paths{listPath: link(listPath)}, corrupt.Is},
		"page of another host":  {paths{listPath: link("http://127.0.0.1:1/v2/")}, corrupt.Is},
		"page of another kind":  {paths{listPath: link("file:///etc/passwd")}, corrupt.Is},
		"too many":              {paths{listPath: answer(200, indexOf(many...))}, corrupt.Is},
		"404, then 500":         {paths{tagPath: answer(500, "")}, temporary.Is},
		"404, then 403":         {paths{tagPath: answer(403, "")}, login},
		"404, then 5 MiB":       {paths{tagPath: answer(200, large)}, corrupt.Is},
		"404, then no JSON":     {paths{tagPath: answer(200, "<html>")}, corrupt.Is},
		"404, then a cut index": {paths{tagPath: cut}, temporary.Is},
	} {
		addr := c.answers.serve(t)
		i := openIn(t, insecure(addr), addr+"/a:1", Options{})
		if list, err := i.Referrers(t.Context(), subject); err == nil || list != nil || !c.is(err) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// TestReferrersStall: who answers nothing has no empty list.
func TestReferrersStall(t *testing.T) {
	stop := make(chan struct{})
	addr := serve(t, func(http.ResponseWriter, *http.Request) { <-stop })
	defer close(stop)
	i := openIn(t, insecure(addr), addr+"/a:1", Options{Idle: 50 * time.Millisecond, Retries: 1})
	if list, err := i.Referrers(t.Context(), subject); !temporary.Is(err) {
		t.Errorf("%v, %v", list, err)
	}
}

// TestReferrersOfMirrors: a mirror may have a list, but that there is none only the registry
// itself can say.
func TestReferrersOfMirrors(t *testing.T) {
	const sig = manifest.SignatureArtifact
	with, none, broken := paths{listPath: answer(200, indexOf(entry("x", sig)))}, paths{}, paths{listPath: answer(500, "")}
	for name, c := range map[string]struct {
		mirror, registry paths
		want             string
	}{
		"mirror":                 {with, broken, "x"},
		"registry":               {none, with, "x"},
		"registry, mirror fails": {broken, with, "x"},
		"none":                   {none, none, ""},
		"none, mirror fails":     {broken, none, ""},
		"registry fails":         {none, broken, "error"},
	} {
		mirror, registry := c.mirror.serve(t), c.registry.serve(t)
		i := openIn(t, insecure(registry)+fmt.Sprintf("[[registry.mirror]]\nlocation = %q\ninsecure = true\n", mirror), registry+"/a:1", Options{})
		list, err := i.Referrers(t.Context(), subject)
		got := strings.Join(names(list, "x"), "")
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// FuzzNextPage: whatever a Link header is, the next page is of the same registry.
func FuzzNextPage(f *testing.F) {
	for _, seed := range []string{`</v2/a/referrers/x?last=1>; rel="next"`, `<?n=1>;rel=next`, `<//evil/>; rel=next`, `<http://evil/>; rel="prev", </b>; rel=next`, `<>; rel`, `x`, `<\x00>; rel=next`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, link string) {
		r, _ := http.NewRequest(http.MethodGet, "https://registry.example/v2/a/referrers/x", nil)
		next, err := nextPage(&http.Response{Request: r, Header: http.Header{"Link": {link}}})
		if err != nil || next == "" {
			return
		}
		if got, err := http.NewRequest(http.MethodGet, "https://registry.example"+next, nil); err == nil && got.URL.Host != "registry.example" {
			t.Errorf("%q leads to %s", link, got.URL)
		}
	})
}
