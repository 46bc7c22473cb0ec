package cmd

import (
	"fmt"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// TestScaling counts what machines ask of a registry, alone and beside others, with a mirror and
// without. docs/scaling.md has the figures; scripts/scaling prints them.
func TestScaling(t *testing.T) {
	cmdtest.Slow(t)
	sizes := []int{1, 2}
	if cmdtest.Long() {
		sizes = []int{1, 10, 50}
	}
	f := newFleet(t, sizes[len(sizes)-1])
	for name, origin := range map[string]*registrytest.Registry{
		"lists referrers": registrytest.Serve(t, registrytest.Handler(true)),
		"has only tags":   registrytest.DebianOpen(t),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScaled(t, f, origin)
			var alone [4]traffic
			for i, n := range sizes {
				got := s.measure(n)
				if i == 0 {
					alone = got
				}
				if got != alone {
					t.Errorf("%d machines: one needs %+v, alone %+v", n, got, alone)
				}
			}
		})
	}
	t.Run("with a mirror", func(t *testing.T) {
		origin := registrytest.DebianOpen(t)
		s := newScaled(t, f, origin)
		for _, n := range sizes {
			s.measureMirror(n)
		}
	})
}

// scaled is an image with signatures in a registry behind a counter.
type scaled struct {
	*signed
	t      *testing.T
	fleet  *fleet
	origin *counter
	real   *registrytest.Registry
	key    signingKey
}

// layersOfScaled are the sizes of the layers, in bytes.
var layersOfScaled = []int{2_000_000, 500_000, 100_000, 20_000, 4_000}

func newScaled(t *testing.T, f *fleet, r *registrytest.Registry) *scaled {
	t.Helper()
	dir := randomImage(t, 41, layersOfScaled...)
	s := &scaled{signed: &signed{Layout: imagetest.NewLayout(t, dir), dir: dir, image: imagetest.Top(t, dir)}, t: t, fleet: f, real: r}
	r.Push(t, dir, "some/image:1")
	s.push()
	s.origin = f.count(r)
	return s
}

// push signs the image as a builder does, and pushes the signatures.
func (s *scaled) push() {
	s.t.Helper()
	s.key = newSigningKey(s.t, "builder", false)
	builder := cmdtest.Scratch(s.t) + "/repo"
	must(s.t, builder, "cfs-pull --init --insecure --progress none oci:"+s.dir+" app && cfs-link sign app --cert "+s.key.cert+" --key "+s.key.key+" && cfs-link export-signatures app "+s.dir)
	h := newHome(s.t)
	h.must(pushCode(h, s.real, s.dir))
}

// homes are those of new machines, with what registries.conf says.
func (s *scaled) homes(n int, conf string) (list []*home) {
	for range n {
		h := newHome(s.t)
		h.write("registries.conf", conf)
		list = append(list, h)
	}
	return list
}

func (s *scaled) code(options string) string {
	return "cfs-pull --init --insecure --progress=none --tls-verify=false --spool=$HOME/spool " + options + " docker://" + s.origin.addr + "/some/image:1 tag"
}

// measure has n machines pull at once, pull again, and verify what they have. It returns the requests and the bytes of blobs of one machine.
func (s *scaled) measure(n int) (each [4]traffic) {
	homes := s.homes(n, "")
	s.origin.take()
	for i, step := range []struct{ name, code string }{
		{"pull without signatures", s.code("--repo=$HOME/plain")},
		{"pull with signatures", s.code("--with-referrers")},
		{"pull again", s.code("--with-referrers")},
		{"verify", "cfs-link verify --trust-cert " + s.key.cert + " tag"},
	} {
		s.fleet.each(homes, step.code)
		all, most := s.origin.take()
		s.t.Logf("%d machines, %s: one: %d requests, %d bytes, %d of blobs; all: %d requests, %d bytes", n, step.name, most.requests, most.given+most.received, most.blobs, all.requests, all.given+all.received)
		if all.requests != n*most.requests || all.blobs != int64(n)*most.blobs {
			s.t.Errorf("%d machines, %s: not all need the same: %+v, one %+v", n, step.name, all, most)
		}
		each[i] = traffic{requests: most.requests, blobs: most.blobs}
	}
	if each[2].blobs > 0 || each[3] != (traffic{}) {
		s.t.Errorf("a pull again, or a verification, needs blobs: %+v", each)
	}
	return each
}

// measureMirror has n machines pull at once by an empty mirror, which caches, and others by that
// mirror once it is full, and again. Of a full mirror nobody needs a blob of the registry.
func (s *scaled) measureMirror(n int) {
	cache := registrytest.Debian(s.t, "", "proxy: {remoteurl: 'http://"+s.origin.addr+"'}")
	mirror := s.fleet.count(cache)
	conf := fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n[[registry.mirror]]\nlocation = %q\ninsecure = true\n", s.origin.addr, mirror.addr)
	empty, full := s.homes(n, conf), s.homes(n, conf)
	s.origin.take()
	for i, step := range []struct {
		name  string
		homes []*home
	}{{"pull by an empty mirror", empty}, {"pull by a full mirror", full}, {"pull again", full}} {
		s.fleet.each(step.homes, s.code("--with-referrers"))
		all, _ := s.origin.take()
		from, most := mirror.take()
		s.t.Logf("%d machines, %s: of the mirror, one: %d requests, %d bytes, all: %d, %d; of the registry: %d requests, %d bytes",
			n, step.name, most.requests, most.given+most.received, from.requests, from.given+from.received, all.requests, all.given+all.received)
		if i > 0 && all.blobs > 0 {
			s.t.Errorf("%d machines, %s: the registry gave %d bytes of blobs", n, step.name, all.blobs)
		}
	}
}
