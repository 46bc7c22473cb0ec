package pull_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"cfs/lib/pull"
)

// TestPlan: each layer is somewhere, and the sums are right.
func TestPlan(t *testing.T) {
	a, b, c := tarOf(t, "a", "aaa"), tarOf(t, "b", "bbb"), tarOf(t, "c", "ccc")
	s, dir := newSample(t, a, b, c), t.TempDir()
	f := newFetching(t, s.archive(t), dir)
	if err := pull.FindStored(repoWith(t, a), f.layers); err != nil {
		t.Fatal(err)
	}
	path, err := f.Spool.Path(s.layers[1])
	must(t, err)
	must(t, os.MkdirAll(dir+"/blobs/sha256", 0o755))
	must(t, os.WriteFile(path, b, 0o644))
	path, err = f.Spool.Path(s.layers[2])
	must(t, err)
	must(t, os.WriteFile(path+".partial", c[:500], 0o644))

	p, err := f.Plan(t.Context(), f.layers, dir)
	if err != nil || p.FreeBytes <= 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	p.FreeBytes = 1000
	want := fmt.Sprintf("layer %s size=2048 have=2048 where=repository\nlayer %s size=2048 have=2048 where=spool\nlayer %s size=2048 have=500 where=source\n"+
		"to fetch: 1548 bytes, 1 blobs\npresent: 4596 bytes, 2 blobs\ndisk needed in the spool: 1548 bytes, of 1000 that are free: not enough\n",
		s.layers[0].Digest, s.layers[1].Digest, s.layers[2].Digest)
	wantText(t, p, want)
	p.FreeBytes = 1548
	wantText(t, p, strings.TrimSuffix(want, "1000 that are free: not enough\n")+"1548 that are free\n")

	var out strings.Builder
	if err := p.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	start := fmt.Sprintf(`{"v":2,"manifest":"%s","blobs":[{"kind":"layer","digest":"%s","size":2048,"have":2048,"where":"repository"},`, s.manifest.Digest, s.layers[0].Digest)
	const end = `"fetch-bytes":1548,"fetch-blobs":1,"present-bytes":4596,"present-blobs":2,"spool-free-bytes":1548}` + "\n"
	if got := out.String(); !json.Valid([]byte(got)) || !strings.HasPrefix(got, start) || !strings.HasSuffix(got, end) {
		t.Errorf("%s, want %s...%s", got, start, end)
	}
	if f.out.Len() > 0 {
		t.Errorf("a plan wrote %s", f.out.String())
	}
}

func wantText(t *testing.T, p *pull.Plan, want string) {
	t.Helper()
	var out strings.Builder
	if err := p.WriteText(&out); err != nil || out.String() != want {
		t.Errorf("%s, want %s, error %v", out.String(), want, err)
	}
}

func TestPlanLocal(t *testing.T) {
	s := newSample(t, tarOf(t, "a", "aaa"))
	f := newFetching(t, s.layout(), "")
	p, err := f.Plan(t.Context(), f.layers, "nowhere")
	must(t, err)
	wantText(t, p, fmt.Sprintf("layer %s size=2048 have=2048 where=local\nto fetch: 0 bytes, 0 blobs\npresent: 2048 bytes, 1 blobs\n", s.layers[0].Digest))
	if p.FreeBytes != -1 {
		t.Errorf("%d bytes are free for nothing", p.FreeBytes)
	}
	os.Remove(s.path(s.layers[0]))
	if _, err := f.Plan(t.Context(), f.layers, "nowhere"); err == nil {
		t.Error("a blob that is gone was planned with")
	}

	// An image of no layers has an empty list, and a spool that does not exist has room.
	none := newFetching(t, newArtifact(t).layout(), "")
	p, err = none.Plan(t.Context(), none.layers, "nowhere")
	must(t, err)
	var out strings.Builder
	if err := p.WriteJSON(&out); err != nil || !strings.Contains(out.String(), `"blobs":[]`) {
		t.Errorf("%s, %v", out.String(), err)
	}
	far := newFetching(t, newSample(t, tarOf(t, "a", "aaa")).archive(t), "")
	if p, err = far.Plan(t.Context(), far.layers, t.TempDir()+"/not/yet"); err != nil || p.FreeBytes <= 0 {
		t.Errorf("%+v, %v", p, err)
	}
}
