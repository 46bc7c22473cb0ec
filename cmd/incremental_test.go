package cmd

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/registrytest"
)

const incrementalVectors = "../../shared/vectors/incremental/"

// chunkedImage is an image of the vectors whose layer is in a form that parts can be fetched of.
type chunkedImage struct {
	Blob   string
	Size   int64
	DiffID string `json:"diff_id"`
	Form   string
	Fresh  string
	WithV1 string `json:"with_v1"`
	Least  *struct {
		Meta   [][2]int64
		Ranges [][2]int64
	}
	Manifest string
}

// chunkedImages pushes the images of the vectors to a registry, each as its name.
func chunkedImages(t *testing.T) (*registrytest.Registry, map[string]*chunkedImage) {
	t.Helper()
	text, err := os.ReadFile(incrementalVectors + "expected.json")
	if err != nil {
		t.Skipf("SKIPPED: the vectors are not here: %v", err)
	}
	images := map[string]*chunkedImage{}
	if err := json.Unmarshal(text, &images); err != nil {
		t.Fatal(err)
	}
	r := registrytest.InProcess(t)
	for name, v := range images {
		r.PushImage(t, incrementalVectors+"layout", v.Manifest, name+":1")
	}
	return r, images
}

// updating is a user behind a proxy of his own whose repository may have an older image.
type updating struct {
	*home
	proxy    *faultproxy.Proxy
	registry *registrytest.Registry
}

func newUpdating(t *testing.T, behind *registrytest.Registry) *updating {
	t.Helper()
	r := *behind
	u := &updating{home: newHome(t), proxy: faultproxy.New(t, behind.Addr), registry: &r}
	r.Addr = u.proxy.Addr
	u.must("cfs-import --init --insecure --repo=$HOME/repo </dev/null")
	return u
}

// code is the command that pulls an image with some options.
func (u *updating) code(name, options string) string {
	return "cfs-pull --tls-verify=false --progress=none --spool=$HOME/spool --repo=$HOME/repo --request-cost=0 " + options + " " + u.registry.Source(name+":1") + " " + name
}

// image is what a repository has of an image: the digests of streams and EROFS images.
func (u *updating) image(name string) string {
	return u.must("cfs-link show --repo=$HOME/repo " + name + " | grep -o '^[a-z]* \\|[a-z]*=[0-9a-f]\\{128\\}' | sort")
}

// TestIncrementalVectors: what is put together from parts is what a pull of the whole stores, and takes
// as many bytes and requests as are needed at least; what is forged ends as the whole does.
func TestIncrementalVectors(t *testing.T) {
	t.Parallel()
	behind, images := chunkedImages(t)
	for name, v := range images {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fresh, u := newUpdating(t, behind), newUpdating(t, behind)
			old := "new-v1"
			if v.Form == "stargz" {
				old = strings.Replace(name[:strings.LastIndex(name, "-")], "-legacy", "", 1) + "-v1"
			}
			if images[old] == nil {
				old = "estargz-v1"
			}
			u.must(u.code(old, ""))
			v.pull(t, fresh, name, v.Fresh, true)
			v.pull(t, u, name, v.WithV1, false)
			if v.Fresh == "refused" || v.WithV1 == "refused" {
				return
			}
			if got, want := u.image(name), fresh.image(name); got != want {
				t.Errorf("stored:\n%s\nwant\n%s", got, want)
			}
			u.must("cfs-gc check --content --repo=$HOME/repo")
		})
	}
}

// pull pulls the image, and checks how that ends.
func (v *chunkedImage) pull(t *testing.T, u *updating, name, how string, fresh bool) {
	t.Helper()
	if name == "new-v1" && !fresh {
		return // it is there
	}
	before := u.proxy.Of(v.Blob)
	r := u.run(u.code(name, ""))
	traffic := u.proxy.Of(v.Blob)
	bytes, requests := traffic.Delivered-before.Delivered, traffic.Requests-before.Requests
	if how == "refused" {
		if r.Status != 4 {
			t.Errorf("exit status %d, want 4\n%s", r.Status, r.Stderr)
		}
		return
	}
	if r.Status != 0 {
		t.Fatalf("exit status %d\n%s", r.Status, r.Stderr)
	}
	sum := u.must("cfs-import cat --repo=$HOME/repo " + v.DiffID + " | sha256sum | cut -d' ' -f1")
	if got := "sha256:" + strings.TrimSpace(sum); got != v.DiffID {
		t.Errorf("the layer has the digest %s, want %s", got, v.DiffID)
	}
	proved := strings.Contains(r.Stdout, "proved=diff-id")
	switch {
	case fresh && (requests != 1 || bytes != v.Size || proved):
		t.Errorf("into an empty repository: %d bytes in %d requests\n%s", bytes, requests, r.Stdout)
	case how == "full" && proved, how == "incremental" && !proved:
		t.Errorf("want %s\n%s%s", how, r.Stdout, r.Stderr)
	case how == "full" && requests > 1 && !strings.Contains(r.Stderr, "fetching all of it"):
		t.Errorf("no warning: %s", r.Stderr)
	case proved && v.Least != nil:
		var want int64
		for _, s := range append(v.Least.Meta, v.Least.Ranges...) {
			want += s[1] - s[0]
		}
		// Of two new files with the same content one is fetched: that is a range less, or where it
		// was in the middle of one, a range more.
		if most := len(v.Least.Ranges) + 2; bytes > want || requests > most || requests < most-2 {
			t.Errorf("%d bytes in %d requests, want %d in %d", bytes, requests, want, most)
		}
	}
	if files := u.must("find $HOME/spool/blobs -type f"); files != "" {
		t.Errorf("the spool has %s", files)
	}
}
