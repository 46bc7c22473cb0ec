package cmd

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// TestFetchMirrors: mirrors are asked in their order, and what one does not give comes
// from the next, the registry itself being the last.
func TestFetchMirrors(t *testing.T) {
	t.Parallel()
	r := registrytest.InProcess(t)
	layout := randomImage(t, 14, 200_000, 300_000)
	for _, name := range []string{"origin/image:1", "mirror/image:1"} {
		r.Push(t, layout, name)
	}
	for _, c := range []struct {
		name            string
		first, second   faultproxy.Fault // what the mirrors do to requests for manifests
		blobs           faultproxy.Fault // what the first mirror does to requests for blobs
		missing         bool             // whether the mirrors have another name
		wantFrom, asked int              // which of the three gives layers, how many were asked
	}{
		{"both", faultproxy.Pass, faultproxy.Pass, faultproxy.Pass, false, 0, 1},
		{"first broken", faultproxy.Says(http.StatusInternalServerError), faultproxy.Pass, faultproxy.Pass, false, 1, 2},
		{"first empty", faultproxy.Says(http.StatusNotFound), faultproxy.Pass, faultproxy.Pass, false, 1, 2},
		{"first closed", faultproxy.Says(http.StatusForbidden), faultproxy.Pass, faultproxy.Pass, false, 1, 2},
		{"both empty", faultproxy.Pass, faultproxy.Pass, faultproxy.Pass, true, 2, 3},
		{"first without layers", faultproxy.Pass, faultproxy.Pass, faultproxy.Says(http.StatusNotFound), false, 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			proxies := []*faultproxy.Proxy{faultproxy.New(t, r.Addr), faultproxy.New(t, r.Addr), faultproxy.New(t, r.Addr)}
			proxies[0].Manifests, proxies[1].Manifests, proxies[0].Blobs = c.first, c.second, c.blobs
			name := "mirror"
			if c.missing {
				name = "nothing"
			}
			h.write("registries.conf", fmt.Sprintf(`
[[registry]]
prefix = "%s/some"
location = "%s/origin"
insecure = true
[[registry.mirror]]
location = "%s/%s"
insecure = true
[[registry.mirror]]
location = "%s/%s"
insecure = true
`, registrytest.ProxiedHost, proxies[2].Addr, proxies[0].Addr, name, proxies[1].Addr, name))
			source := "docker://" + registrytest.ProxiedHost + "/some/image:1"
			records := h.must("cfs-fetch --retry-times=1 --spool=spool " + source)
			if !strings.Contains(records, " source="+source) {
				t.Errorf("the source is not as it was typed:\n%s", records)
			}
			asked := 0
			for i, p := range proxies {
				if p.ManifestRequests() > 0 || p.Total().Requests > 0 {
					asked = i + 1
				}
				layers := int64(0)
				for _, l := range imagetest.Manifest(t, layout).Layers {
					layers += p.Of(l.Digest.String()).Delivered
				}
				if (layers > 0) != (i == c.wantFrom) {
					t.Errorf("registry %d gave %d bytes of layers", i, layers)
				}
			}
			if asked != c.asked {
				t.Errorf("%d registries were asked, want %d", asked, c.asked)
			}
		})
	}
}

// TestFetchDeadMirror: one that nobody answers at is passed over.
func TestFetchDeadMirror(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 2000)
	f.write("registries.conf", fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n[[registry.mirror]]\nlocation = \"127.0.0.2:1\"\ninsecure = true\n", f.proxy.Addr))
	f.must("cfs-fetch --spool=$HOME/spool " + f.source)
	f.wantSpool()
}

func TestFetchBlocked(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 2000)
	f.write("registries.conf", fmt.Sprintf("[[registry]]\nlocation = %q\nblocked = true\n", f.proxy.Addr))
	f.fails(1, f.code, f.proxy.Addr, "blocked")
	if n := f.proxy.ManifestRequests(); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestFetchShortNames: a name without a registry is what registries.conf says.
func TestFetchShortNames(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 2000)
	insecure := fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", f.proxy.Addr)
	for source, config := range map[string]string{
		"short:1":                      fmt.Sprintf("short-name-mode = \"enforcing\"\n%s[aliases]\n\"short\" = \"%s/some/image\"\n", insecure, f.proxy.Addr),
		"some/image:1":                 fmt.Sprintf("unqualified-search-registries = [%q]\n%s", f.proxy.Addr, insecure),
		f.proxy.Addr + "/some/image:1": insecure, // a bare name that is not short
	} {
		t.Run(source, func(t *testing.T) {
			h := newHome(t)
			h.write("registries.conf", config)
			records := h.must("cfs-fetch --spool=spool " + source)
			if !strings.Contains(records, "manifest "+imagetest.Top(t, f.layout).Digest.String()) || !strings.Contains(records, " source="+source) {
				t.Errorf("records:\n%s", records)
			}
		})
	}
}

// TestFetchHomeConfig: registries.conf is also found where users have it.
func TestFetchHomeConfig(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 2000)
	var env []string
	for _, variable := range f.env {
		if !strings.HasPrefix(variable, "CONTAINERS_REGISTRIES_CONF=") {
			env = append(env, variable)
		}
	}
	f.env = env
	f.write(".config/containers/registries.conf", fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", f.proxy.Addr))
	f.must("cfs-fetch --spool=spool " + f.source)
}

// TestFetchBadConfig: a registries.conf that cannot be read is no empty one.
func TestFetchBadConfig(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 2000)
	f.write("registries.conf", "[[registry")
	f.fails(1, f.code, "registries.conf")
}

// TestFetchPolicy: a policy.json that refuses all is enforced, or --help says that it
// is not.
func TestFetchPolicy(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 2000)
	f.write(".config/containers/policy.json", `{"default": [{"type": "reject"}]}`)
	r := f.run(f.code)
	if help := f.must("cfs-fetch --help"); r.Status == 0 && !strings.Contains(help, "policy.json") {
		t.Errorf("it fetches against policy.json, and --help does not say so:\n%s", help)
	}
}
