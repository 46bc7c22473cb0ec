package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/flushes"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
	"cfs/cmd/internal/trap"
	"cfs/lib/manifest"
	"cfs/lib/record"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const withReferrers = "cfs-pull --init --insecure --progress=none --tls-verify=false --with-referrers --spool=$HOME/spool "

// wantReferrers checks the records of a pull: each artifact comes before its blobs, a blob that
// several have once, and all between the config and the manifest; and what the repository has of
// them.
func (s *signed) wantReferrers(t *testing.T, records, repo string) {
	t.Helper()
	var got, want, kinds []string
	for line := range strings.Lines(records) {
		rec := parseRecord(t, line)
		kinds = append(kinds, rec.Kind)
		switch rec.Kind {
		case "referrer":
			got = append(got, rec.Digest)
			if rec.Get("subject") != s.image.Digest.String() || rec.Get("artifact-type") != manifest.SignatureArtifact || rec.Get("stream") == "" || rec.Get("path") != "" {
				t.Errorf("record %s", line)
			}
		case "blob":
			got = append(got, rec.Digest+" for "+rec.Get("for"))
			if rec.Get("role") != "referrer" || rec.Get("stream") == "" || rec.Get("path") != "" || rec.Get("size") == "" {
				t.Errorf("record %s", line)
			}
		}
	}
	seen, sorted := map[string]bool{}, slices.Clone(s.artifacts)
	slices.SortFunc(sorted, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	for _, a := range sorted {
		want = append(want, a.Digest.String())
		wantTarget(t, repo+"/streams/refs/oci-referrers/"+s.image.Digest.String()+"/"+a.Digest.String(), "../../../oci-manifest-"+a.Digest.String())
		for _, b := range imagetest.ManifestOf(t, s.dir, a).Layers {
			if blob := b.Digest.String(); !seen[blob] {
				seen[blob] = true
				want = append(want, blob+" for "+a.Digest.String())
				must(t, repo, "cfs-import cat oci-blob-"+blob+" >/dev/null")
			}
		}
	}
	if i := slices.Index(kinds, "referrer"); !slices.Equal(got, want) || i > 0 && slices.Contains(kinds[i:], "config") || kinds[len(kinds)-1] != "manifest" {
		t.Errorf("records of artifacts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func wantTarget(t testing.TB, link, want string) {
	t.Helper()
	if got, err := os.Readlink(link); err != nil || got != want {
		t.Errorf("%s leads to %q, %v; want %q", link, got, err, want)
	}
}

// TestReferrersTravel: the artifacts of an image come with it from wherever it is, are kept, and
// come again as they were.
func TestReferrersTravel(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	registries := map[string]*registrytest.Registry{
		"Debian":   registrytest.DebianOpen(t),
		"Go":       registrytest.InProcess(t),
		"Go lists": registrytest.Serve(t, registrytest.Handler(true)),
	}
	for name, source := range map[string]func(h *home, s *signed) string{
		"layout": func(_ *home, s *signed) string { return "oci:" + s.dir + ":@" + s.image.Digest.String() },
		"archive": func(h *home, s *signed) string {
			h.must("tar -C " + s.dir + " -cf $HOME/a.tar .")
			return "oci-archive:" + h.dir + "/a.tar:@" + s.image.Digest.String()
		},
		"Debian": nil, "Go": nil, "Go lists": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, r := newHome(t), registries[name]
			s := newSigned(t, 21, r)
			s.sign("one", "two")
			s.sign("one", "three")
			s.List(s.Referrer("application/spdx", s.image), s.Referrer(manifest.SignatureArtifact, s.artifacts[0]))
			var from string
			if r == nil {
				from = source(h, s)
			} else {
				from = r.Source("some/image:1")
				s.Finish(s.image)
				s.List(s.artifacts...)
				h.must(pushCode(h, r, s.dir))
			}
			h.stdin = ""
			code := withReferrers + from + " tag"
			first := h.must(code)
			s.wantReferrers(t, first, h.dir+"/repo")
			before := list(t, h.dir+"/repo")
			h.must("cfs-gc --keep 0 && cfs-gc check --content")
			if after := list(t, h.dir+"/repo"); after != before {
				t.Errorf("cfs-gc has removed something:\n%s\nwas\n%s", after, before)
			}
			if again := h.must(code); again != first {
				t.Errorf("again it prints\n%s\nwant\n%s", again, first)
			}
			if _, err := os.Stat(h.dir + "/spool"); err == nil {
				wantEmptySpool(t, h.dir+"/spool")
			}
			if plain := h.must("cfs-pull --insecure --init --tls-verify=false --progress=none --spool=$HOME/spool --repo=$HOME/other " + from + " tag"); strings.Contains(plain, "referrer") {
				t.Errorf("without --with-referrers it prints\n%s", plain)
			}
		})
	}
}

// TestReferrersAgain: a config and artifacts that are stored are not fetched again, unless they are damaged.
func TestReferrersAgain(t *testing.T) {
	t.Parallel()
	r, h := registrytest.InProcess(t), newHome(t)
	s := newSigned(t, 24, r)
	s.sign("one", "two")
	h.must(pushCode(h, r, s.dir))
	h.stdin = ""
	p := faultproxy.New(t, r.Addr)
	config := imagetest.ManifestOf(t, s.dir, s.image).Config.Digest.String()
	wantRequests := func(manifests, configs int) {
		t.Helper()
		if m, c := p.ManifestRequests(), p.Of(config).Requests; m != manifests || c != configs {
			t.Errorf("%d requests for manifests, %d for the config; want %d and %d", m, c, manifests, configs)
		}
	}
	pull := withReferrers + "docker://" + p.Addr + "/some/image:1 tag"
	first := h.must(pull)
	wantRequests(3, 1)
	if again := h.must(pull); again != first {
		t.Errorf("again it prints\n%s\nwant\n%s", again, first)
	}
	wantRequests(5, 1)
	for _, name := range []string{"oci-config-" + config, "oci-manifest-" + s.artifacts[0].Digest.String()} {
		h.must("chmod u+w repo/streams/" + name + " && echo damaged >repo/streams/" + name)
	}
	h.must("cfs-fetch --with-referrers --tls-verify=false --spool=spool docker://" + p.Addr + "/some/image:1")
	wantRequests(8, 2)
}

// TestReferrersKeepSpool: a spool that is kept is a layout with the image and its artifacts.
func TestReferrersKeepSpool(t *testing.T) {
	t.Parallel()
	r, h := registrytest.InProcess(t), newHome(t)
	s := newSigned(t, 22, r)
	s.sign("one", "two")
	h.must(pushCode(h, r, s.dir))
	h.must("cfs-fetch --with-referrers --keep-spool --tls-verify=false --progress=none --spool=$HOME/spool " + r.Source("some/image:1"))
	s.wantReferrers(t, h.must(withReferrers+"oci:spool:"+r.Addr+"/some/image:1 tag"), h.dir+"/repo")
	h.must("cfs-fetch push-signatures --tls-verify=false spool " + r.Source("some/image:1"))
}

// TestReferrersPlan: the blobs of artifacts are a part of what is planned.
func TestReferrersPlan(t *testing.T) {
	t.Parallel()
	h, s := newHome(t), newSigned(t, 23, nil)
	s.sign("one", "two")
	if got := h.must("cfs-fetch --with-referrers --plan oci:" + s.dir + ":@" + s.image.Digest.String()); strings.Count(got, "\nblob sha256:") != 2 {
		t.Errorf("the plan is\n%s", got)
	}
}

// TestReferrersLease: what is imported of artifacts is kept for the pull of their image, and by
// nothing else.
func TestReferrersLease(t *testing.T) {
	t.Parallel()
	h, s := newHome(t), newSigned(t, 24, nil)
	s.sign("one")
	h.must("cfs-fetch --with-referrers oci:" + s.dir + ":@" + s.image.Digest.String() + " | cfs-import --init --insecure >records && cfs-gc")
	blob := "oci-blob-" + imagetest.ManifestOf(t, s.dir, s.artifacts[0]).Layers[0].Digest.String()
	wantTarget(t, h.dir+"/repo/streams/refs/cfs-lease/"+s.image.Digest.String()+"/"+blob, "../../../"+blob)
	h.must("cfs-mkerofs <records | cfs-link --tag tag")
	if left, err := os.ReadDir(h.dir + "/repo/streams/refs/cfs-lease"); err != nil || len(left) > 0 {
		t.Errorf("leases are left: %v, %v", left, err)
	}
	h.must("cfs-gc --keep 0 && cfs-import cat " + blob + " >/dev/null")
}

// TestReferrersForged: records that lie about artifacts link nothing.
func TestReferrersForged(t *testing.T) {
	t.Parallel()
	h, s := newHome(t), newSigned(t, 25, nil)
	a := s.sign("one").Digest.String()
	b := s.sign("two").Digest.String()
	other := s.Referrer(manifest.SignatureArtifact, s.artifacts[0])
	config := s.Manifest(s.Blob("application/x", []byte("{} ")), manifest.SignatureArtifact)
	h.must("cfs-fetch --with-referrers oci:" + s.dir + ":@" + s.image.Digest.String() + " | cfs-import --init --insecure | cfs-mkerofs >records")
	path := func(digest string) string {
		return "path=" + s.dir + "/blobs/sha256/" + strings.TrimPrefix(digest, "sha256:")
	}
	before := list(t, h.dir+"/repo")
	for name, c := range map[string]struct {
		code   string // changes the records
		status int
		says   string
	}{
		"another image's":     {"sed 's|^referrer " + a + "|referrer " + other.Digest.String() + "|; s|" + path(a) + "|" + path(other.Digest.String()) + "|'", 4, "its subject is"},
		"no subject":          {"sed 's|^referrer " + a + "|referrer " + s.image.Digest.String() + "|; s|" + path(a) + "|" + path(s.image.Digest.String()) + "|'", 4, ""},
		"another config":      {"sed 's|^referrer " + a + "|referrer " + config.Digest.String() + "|; s|" + path(a) + "|" + path(config.Digest.String()) + "|'", 4, ""},
		"another's bytes":     {"sed 's|" + path(a) + "|" + path(b) + "|'", 4, "has a different digest"},
		"no record of a blob": {"grep -v '^blob.*for=" + b + "'", 1, "no record names its stream"},
		"another's blob":      {"sed '/^blob.*for=" + b + "/s/stream=.*/'$(grep '^blob.*for=" + a + "' records | grep -o 'stream=.*')/", 4, "is claimed for it"},
		"a file that is gone": {"sed 's|" + path(a) + "|path=/nowhere|'", 75, "no longer exists"},
		"no digest":           {"sed 's|^referrer " + a + "|referrer -|'", 4, "names no blob"},
		"a wrong subject":     {"sed 's|subject=|subject=x|'", 1, "subject"},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, h.run(c.code+" <records >forged; cfs-link --tag tag <forged"), c.status, c.says)
			if got := list(t, h.dir+"/repo"); got != before {
				t.Errorf("the repository was changed (-before +after):\n%s", cmp.Diff(before, got))
			}
		})
	}
	h.must("cfs-link --tag tag <records")
}

// TestReferrersKill kills cfs-link at each system call by which it changes something: an
// artifact, a link and the tag are whole or not there, also over a collection, and the next pull
// completes all.
func TestReferrersKill(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newSigned(t, 26, nil)
	s.sign("one", "two")
	s.sign("three")
	code := "cfs-pull --init --insecure --progress none --with-referrers oci:" + s.dir + ":@" + s.image.Digest.String() + " tag"
	whole := filepath.Join(cmdtest.Scratch(t), "repo")
	calls := 0
	r := trapped(t, whole, code, trap.Only(ofLink, trap.Count(&calls)))
	if r.Status != 0 || calls == 0 {
		t.Fatalf("exit status %d\n%s", r.Status, r.Stderr)
	}
	s.wantReferrers(t, r.Stdout, whole)
	links := func(repo string) int {
		found, err := filepath.Glob(repo + "/streams/refs/oci-referrers/*/*")
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for i, n := range cmdtest.Sample(calls, 8) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			trapped(t, repo, code, trap.Only(ofLink, trap.From(n, trap.Kill)))
			sound := func() {
				t.Helper()
				must(t, repo, "cfs-gc check --content")
				tagged := shell(t, repo, "cfs-link show tag").Status == 0
				if n := links(repo); tagged && n != 2 {
					t.Errorf("tagged with %d artifacts", n)
				}
			}
			sound()
			collect(t, repo, i%2 == 0)
			sound()
			if again := must(t, repo, code); again != r.Stdout {
				t.Errorf("pulled again, it prints\n%s\nwant\n%s", again, r.Stdout)
			}
			must(t, repo, "cfs-gc --keep 0 && cfs-gc check --content")
			s.wantReferrers(t, r.Stdout, repo)
		})
	}
}

// TestReferrersReference: the reference reads what we store of artifacts, finds it whole, and
// keeps it.
func TestReferrersReference(t *testing.T) {
	if _, err := exec.LookPath("cfsctl"); err != nil {
		t.Skip("SKIPPED: no reference to compare with: ", err)
	}
	t.Parallel()
	h, s := newHome(t), newSigned(t, 27, nil)
	s.sign("one", "two")
	s.sign("one")
	h.must(withReferrers + "oci:" + s.dir + ":@" + s.image.Digest.String() + " tag")
	before := list(t, h.dir+"/repo")
	got := h.must("cfsctl --repo $HOME/repo oci inspect tag && cfsctl --repo $HOME/repo oci fsck && cfsctl --repo $HOME/repo fsck && cfsctl --repo $HOME/repo gc && cfsctl --repo $HOME/repo oci images --json")
	for _, a := range s.artifacts {
		if !strings.Contains(got, `"`+a.Digest.String()+`"`) {
			t.Errorf("oci inspect does not list %s:\n%s", a.Digest, got)
		}
	}
	if strings.Count(got, "status: ok") != 2 || !strings.Contains(got, "Objects: 0 removed") {
		t.Errorf("it prints\n%s", got)
	}
	if after := list(t, h.dir+"/repo"); after != before {
		t.Errorf("it has changed the repository (-before +after):\n%s", cmp.Diff(before, after))
	}
}

// TestReferrersDurable: what records say of artifacts is kept by the strictest of file systems.
func TestReferrersDurable(t *testing.T) {
	t.Parallel()
	s := newSigned(t, 28, nil)
	s.sign("one", "two")
	s.sign("three")
	promises := func(tool string, rec record.Record) []string {
		stored := rec.Get("stream") != "" && tool != "cfs-fetch"
		blob := "oci-blob-" + rec.Digest
		switch {
		case rec.Kind == "blob" && stored && tool == "cfs-import":
			return []string{"streams/" + blob, "streams/refs/cfs-lease/" + s.image.Digest.String() + "/" + blob}
		case rec.Kind == "blob" && stored:
			return []string{"streams/" + blob}
		case rec.Kind == "referrer" && stored:
			return []string{"streams/oci-manifest-" + rec.Digest, "streams/oci-config-" + v1.DescriptorEmptyJSON.Digest.String(),
				"streams/refs/oci-referrers/" + s.image.Digest.String() + "/" + rec.Digest}
		}
		return promisedNames(tool, rec)
	}
	code := "cfs-pull --init --insecure --progress none --with-referrers oci:" + s.dir + ":@" + s.image.Digest.String() + " tag"
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	for _, name := range []string{"pulled", "pulled again"} {
		m := flushes.New(repo, promises)
		if r := modelled(t, m, repo, code, nil); r.Status != 0 || m.Saw["referrer"] < 2 || m.Saw["blob"] < 3 {
			t.Errorf("%s: exit status %d, promises %v\n%s", name, r.Status, m.Saw, r.Stderr)
		}
		for _, text := range m.Wrong {
			t.Errorf("%s: %s", name, text)
		}
	}
}
