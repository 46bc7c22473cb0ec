package cmd

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// followed is an image of which one layer has two files that become objects.
func followed(t *testing.T) *fetching {
	t.Helper()
	layout := cmdtest.Scratch(t)
	imagetest.Make(t, layout, imagetest.Tar(t, imagetest.File("a", imagetest.Noise(1, 700_000)), imagetest.File("b", imagetest.Noise(2, 700_000))))
	r := registrytest.InProcess(t)
	r.Push(t, layout, "some/image:1")
	return fetchingOf(t, r, layout, "some/image:1")
}

// half is how much of the layer comes before its second file has come.
const half = 1_000_000

// pausing lets a half of the layer pass, and the rest when then has returned.
func (f *fetching) pausing(then func()) faultproxy.Fault {
	return faultproxy.To(f.layers()[0].Digest.String(), func(e *faultproxy.Exchange) {
		e.Forward(func(a *http.Response) {
			a.Body = pausedBody{io.MultiReader(io.LimitReader(a.Body, half), pause{then}, a.Body), a.Body}
		})
	})
}

type pausedBody struct {
	io.Reader
	io.Closer
}

// pause is a reader of nothing.
type pause struct{ then func() }

func (p pause) Read([]byte) (int, error) {
	p.then()
	return 0, io.EOF
}

// pull pulls the image into the user's repository.
func (f *fetching) pull(t *testing.T) result {
	return f.run("cfs-pull --init --insecure --progress=none --tls-verify=false --spool=$HOME/spool --repo=$HOME/repo " + f.source + " x")
}

// objects returns how many objects the repository has, and names how many streams have names.
func (f *fetching) objects() int { return f.count("objects/*/*") }
func (f *fetching) names() int   { return f.count("streams/oci-*") }

func (f *fetching) count(pattern string) int {
	found, err := filepath.Glob(f.dir + "/repo/" + pattern)
	if err != nil {
		panic(err)
	}
	return len(found)
}

// wantObject waits until the repository has an object, and checks that nothing has a name.
func (f *fetching) wantObject(t *testing.T) {
	for end := time.Now().Add(patience); f.objects() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Error("nothing is stored while the layer is on its way")
			return
		}
	}
	if n := f.names(); n > 0 {
		t.Errorf("%d streams have names while their layer is on its way", n)
	}
}

// TestFetchFollowed: what has come of a layer is stored while the rest is on its way, and what
// is stored in the end is what a pull of a local image stores.
func TestFetchFollowed(t *testing.T) {
	t.Parallel()
	f := followed(t)
	f.proxy.Blobs = f.pausing(func() { f.wantObject(t) })
	r := f.pull(t)
	if r.Status != 0 {
		t.Fatalf("exit status %d: %s", r.Status, r.Stderr)
	}
	if strings.Contains(r.Stdout, "fetching") {
		t.Errorf("cfs-import passes on what it follows: %s", r.Stdout)
	}
	f.must("cfs-gc check --content --repo=$HOME/repo")
	f.must("cfs-pull --init --insecure --progress=none --repo=$HOME/local oci:" + f.layout + " x")
	list := "find objects streams -type f -o -type l | sort | xargs -d '\\n' -I@ sh -c 'echo @ $(readlink @)'"
	if got, want := f.must("cd repo && "+list), f.must("cd local && "+list); got != want {
		t.Errorf("stored:\n%s\nof the layout:\n%s", got, want)
	}
	if left := f.must("find spool/blobs -type f"); left != "" {
		t.Errorf("left in the spool: %s", left)
	}
}

// TestFetchFollowedBroken: a layer that is cut off, or turns out to be another, costs what was
// stored of it; if the right one does not come, nothing has a name.
func TestFetchFollowedBroken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fault  faultproxy.Fault
		status int
	}{
		{"cut", faultproxy.Once(faultproxy.Breaks(faultproxy.Cut, half)), 0},
		{"wrong at its end", faultproxy.Once(faultproxy.Flips(1_300_000)), 0},
		{"wrong at its start", faultproxy.Once(faultproxy.Flips(1000)), 0},
		{"wrong each time", faultproxy.Flips(1_300_000), 4},
		{"no tar any more", faultproxy.Flips(700_000 + 600), 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := followed(t)
			f.t = t
			f.proxy.Blobs = c.fault
			r := f.pull(t)
			if r.Status != c.status {
				t.Fatalf("exit status %d, want %d: %s", r.Status, c.status, r.Stderr)
			}
			if c.status != 0 && f.names() > 0 {
				t.Error("something of a layer that is wrong has a name")
			}
			f.must("cfs-gc check --content --repo=$HOME/repo")
		})
	}
}

// TestFetchFollowedKilled: when the one that fetches, or the one that imports, is killed
// while a layer is on its way, nothing has a name, nobody hangs, and the next pull goes on.
func TestFetchFollowedKilled(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"cfs-fetch", "cfs-import"} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			f := followed(t)
			f.t = t
			f.proxy.Blobs = faultproxy.Once(f.pausing(func() {
				f.wantObject(t)
				// In the folder of this user, no other tool has the name.
				f.must("kill -KILL $(cat " + tool + ".pid)")
			}))
			as := func(name string) string { return "sh -c 'echo $$ >" + name + ".pid; exec \"$@\"' - " + name }
			r := f.run(as("cfs-fetch") + " --progress=none --tls-verify=false --spool=$HOME/spool --repo=$HOME/repo " + f.source +
				" | " + as("cfs-import") + " --init --insecure --progress=none --repo=$HOME/repo | cfs-mkerofs --repo=$HOME/repo | cfs-link --repo=$HOME/repo --tag x")
			if r.Status == 0 || f.names() > 0 {
				t.Errorf("exit status %d, %d names: %s", r.Status, f.names(), r.Stderr)
			}
			if r = f.pull(t); r.Status != 0 {
				t.Errorf("the next pull: exit status %d: %s", r.Status, r.Stderr)
			}
			f.must("cfs-gc check --content --repo=$HOME/repo")
		})
	}
}
