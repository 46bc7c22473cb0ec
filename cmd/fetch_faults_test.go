package cmd

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// TestFetchFaults: what a registry does wrong now and then does not keep an image away,
// and costs no more than it must.
func TestFetchFaults(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	r := registrytest.DebianOpen(t)
	layout := randomImage(t, 5, 900_000, 1_200_000)
	r.Push(t, layout, "some/image:1")
	cut, late := faultproxy.Breaks(faultproxy.Cut, 300_000), faultproxy.Breaks(faultproxy.Cut, 700_000)
	for _, c := range []struct {
		name  string
		fault faultproxy.Fault
	}{
		{"none", faultproxy.Pass},
		{"cut", faultproxy.Times(3, cut)},
		{"cut at the start", faultproxy.Times(2, faultproxy.Breaks(faultproxy.Cut, 0))},
		{"cut before the last byte", faultproxy.Once(faultproxy.Breaks(faultproxy.Cut, 899_999))},
		{"reset", faultproxy.Times(3, faultproxy.Breaks(faultproxy.Reset, 200_000))},
		{"truncated", faultproxy.Once(faultproxy.Truncates(250_000))},
		{"longer than it is", faultproxy.Once(faultproxy.Lengthens(100))},
		{"wrong byte", faultproxy.Once(faultproxy.Flips(123_456))},
		{"wrong byte after a cut", faultproxy.InOrder(cut, faultproxy.Flips(123_456))},
		{"cut, and the range ignored", faultproxy.InOrder(cut, faultproxy.IgnoresRange)},
		{"cut, and the range ignored and cut", faultproxy.InOrder(cut, faultproxy.IgnoresRangeAnd(cut))},
		{"cut, and another offset", faultproxy.InOrder(cut, faultproxy.WrongOffset(1000, false))},
		{"cut, and an earlier offset", faultproxy.InOrder(cut, faultproxy.WrongOffset(-1000, false))},
		{"cut, and another offset that is denied", faultproxy.InOrder(cut, faultproxy.WrongOffset(1000, true))},
		{"416", faultproxy.Once(faultproxy.Says(http.StatusRequestedRangeNotSatisfiable))},
		{"cut, and 416", faultproxy.InOrder(cut, faultproxy.Says(http.StatusRequestedRangeNotSatisfiable))},
		{"cut, and 416, and cut", faultproxy.InOrder(late, faultproxy.Says(http.StatusRequestedRangeNotSatisfiable), late, late)},
		{"cut, and another offset, and cut", faultproxy.InOrder(late, faultproxy.WrongOffset(1000, false), late, late)},
		{"wrong byte, and cut", faultproxy.InOrder(faultproxy.Flips(123_456), late, late)},
		{"408", faultproxy.Once(faultproxy.Says(http.StatusRequestTimeout))},
		{"429", faultproxy.Once(faultproxy.Says(http.StatusTooManyRequests))},
		{"500", faultproxy.Once(faultproxy.Says(http.StatusInternalServerError))},
		{"502", faultproxy.Once(faultproxy.Says(http.StatusBadGateway))},
		{"503", faultproxy.Times(2, faultproxy.Says(http.StatusServiceUnavailable))},
		{"504", faultproxy.InOrder(cut, faultproxy.Says(http.StatusGatewayTimeout))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := fetchingOf(t, r, layout, "some/image:1")
			config := imagetest.Manifest(t, layout).Config.Digest.String()
			f.proxy.Blobs = faultproxy.Choice(func(e *faultproxy.Exchange) faultproxy.Fault {
				if e.Blob == config {
					return faultproxy.Pass
				}
				return c.fault
			})
			f.succeeds()
			f.wantDelivered()
			f.proxy.WaitIdle() // what has come is counted then
			before := f.proxy.Total()
			f.succeeds()
			if after := f.proxy.Total(); after.Delivered > before.Delivered+imagetest.Manifest(t, layout).Config.Size {
				t.Errorf("the second time it got %d bytes of blobs", after.Delivered-before.Delivered)
			}
		})
	}
}

// TestFetchConfigFaults: a config comes as a layer does.
func TestFetchConfigFaults(t *testing.T) {
	t.Parallel()
	r := registrytest.InProcess(t)
	layout := randomImage(t, 26, 10_000)
	r.Push(t, layout, "some/image:1")
	for name, fault := range map[string]faultproxy.Fault{
		"cut":               faultproxy.Once(faultproxy.Breaks(faultproxy.Cut, 100)),
		"503":               faultproxy.Once(faultproxy.Says(http.StatusServiceUnavailable)),
		"truncated":         faultproxy.Once(faultproxy.Truncates(100)),
		"longer than it is": faultproxy.Once(faultproxy.Lengthens(100)),
		"wrong byte":        faultproxy.Once(faultproxy.Flips(100)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fetchingOf(t, r, layout, "some/image:1")
			f.proxy.Blobs = faultproxy.To(imagetest.Manifest(t, layout).Config.Digest.String(), fault)
			f.succeeds()
		})
	}
}

// TestFetchManifestFaults does to manifests what may happen.
func TestFetchManifestFaults(t *testing.T) {
	t.Parallel()
	r := registrytest.InProcess(t)
	layout := randomImage(t, 6, 10_000)
	r.Push(t, layout, "some/image:1")
	for name, fault := range map[string]faultproxy.Fault{
		"cut":   faultproxy.Once(faultproxy.Breaks(faultproxy.Cut, 100)),
		"reset": faultproxy.Once(faultproxy.Breaks(faultproxy.Reset, 0)),
		"503":   faultproxy.Once(faultproxy.Says(http.StatusServiceUnavailable)),
		"429":   faultproxy.Once(faultproxy.Says(http.StatusTooManyRequests, "Retry-After", "0")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fetchingOf(t, r, layout, "some/image:1")
			f.proxy.Manifests = fault
			f.succeeds()
		})
	}
	t.Run("wrong byte", func(t *testing.T) {
		t.Parallel()
		f := fetchingOf(t, r, layout, "some/image@"+imagetest.Top(t, layout).Digest.String())
		f.succeeds()
		f.proxy.Manifests = faultproxy.Flips(1)
		f.fails(4, strings.Replace(f.code, "/spool", "/new-spool", 1), imagetest.Top(t, layout).Digest.String())
	})
}

// TestFetchRetryAfter: a registry is not asked before the time that it says.
func TestFetchRetryAfter(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 50_000)
	var asked []time.Time
	f.proxy.Blobs = faultproxy.To(f.layers()[0].Digest.String(), func(e *faultproxy.Exchange) {
		asked = append(asked, time.Now())
		faultproxy.Once(faultproxy.Says(http.StatusTooManyRequests, "Retry-After", "2"))(e)
	})
	f.succeeds()
	if len(asked) != 2 || asked[1].Sub(asked[0]) < 2*time.Second {
		t.Errorf("it asked at %v", asked)
	}
}

// TestFetchRetryNextDay: nobody waits for as long as a registry may say.
func TestFetchRetryNextDay(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 50_000)
	f.proxy.Blobs = faultproxy.To(f.layers()[0].Digest.String(), faultproxy.Says(http.StatusTooManyRequests, "Retry-After", "86400"))
	f.fails(75, "timeout 30 "+f.code+" --retry-times=2", "429")
}

// TestFetchWrongBytes: a blob that is not what its digest says is fetched once more,
// and then given up.
func TestFetchWrongBytes(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.DebianOpen(t), 400_000, 500_000)
	bad := f.layers()[1]
	f.proxy.Blobs = faultproxy.To(bad.Digest.String(), faultproxy.Flips(1000))
	f.fails(4, f.code, bad.Digest.String())
	f.wantNoBlob(bad)
	if got := f.proxy.Of(bad.Digest.String()); got.Delivered != 2*bad.Size {
		t.Errorf("%+v of %d bytes, want them twice", got, bad.Size)
	}
	f.proxy.Blobs = faultproxy.Pass
	f.succeeds()
}

// TestFetchTryAgain: what does not get better is given up with exit status 75, and what
// has come by then stays for the next time.
func TestFetchTryAgain(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for name, bad := range map[string]faultproxy.Fault{
		"503":   faultproxy.Then(faultproxy.Breaks(faultproxy.Cut, 400_000), faultproxy.Says(http.StatusServiceUnavailable)),
		"429":   faultproxy.Then(faultproxy.Breaks(faultproxy.Cut, 400_000), faultproxy.Says(http.StatusTooManyRequests)),
		"reset": faultproxy.Then(faultproxy.Breaks(faultproxy.Cut, 400_000), faultproxy.Breaks(faultproxy.Reset, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFetching(t, registrytest.InProcess(t), 900_000)
			f.proxy.Blobs = faultproxy.To(f.layers()[0].Digest.String(), bad)
			f.fails(75, f.code+" --retry-times=2", f.layers()[0].Digest.String())
			if n := f.proxy.Total().Requests; n > 8 {
				t.Errorf("it asked %d times", n)
			}
			f.wantNoBlob(f.layers()[0])
			f.proxy.Blobs = faultproxy.Pass
			f.succeeds()
			f.wantDelivered()
		})
	}
}

func TestFetchNoRegistry(t *testing.T) {
	t.Parallel()
	h, r := newHome(t), registrytest.InProcess(t)
	nobody := "127.0.0.2:1"
	h.fails(75, "cfs-fetch --tls-verify=false --retry-times=1 --spool=spool docker://"+nobody+"/image:1", nobody)
	h.fails(3, "cfs-fetch --tls-verify=false --retry-times=1 --spool=spool "+r.Source("missing:1"), "missing")
}

// TestFetchMissingBlob: a manifest may name what is not there.
func TestFetchMissingBlob(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 5_000, 6_000)
	missing := f.layers()[1].Digest.String()
	f.proxy.Blobs = faultproxy.To(missing, faultproxy.Says(http.StatusNotFound))
	f.fails(3, f.code, missing)
	if n := f.proxy.Of(missing).Requests; n > 2 {
		t.Errorf("it asked %d times for what is not there", n)
	}
}

// TestFetchStall: a body that does not go on is given up, and goes on by another request.
func TestFetchStall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 600_000)
	var second string
	f.proxy.Blobs = faultproxy.To(f.layers()[0].Digest.String(), func(e *faultproxy.Exchange) {
		if e.Nth == 1 {
			second = e.R.Header.Get("Range")
		}
		faultproxy.Once(faultproxy.Breaks(faultproxy.Stall, 200_000))(e)
	})
	f.code += " --idle-timeout=1s"
	f.succeeds()
	// A slow machine may make a second request stall too: it is not counted what came.
	var from int
	if n, _ := fmt.Sscanf(second, "bytes=%d-", &from); n != 1 || from < 100_000 || from > 200_000 {
		t.Errorf("the second request was for %q, want what comes after some 200000 bytes", second)
	}
}

// TestFetchKilled kills cfs-fetch in the middle of a blob: the next one goes on there.
func TestFetchKilled(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.DebianOpen(t), 1_500_000, 700_000, 800_000)
	for i := range 4 {
		if r := f.killedAfter(500_000, f.code); r.Status != -1 {
			t.Fatalf("kill %d: exit status %d\n%s", i, r.Status, r.Stderr)
		}
	}
	f.succeeds()
	f.wantDelivered()
}

// TestFetchTokenExpires: a token expires while a blob comes. The rest is fetched by a new
// one.
func TestFetchTokenExpires(t *testing.T) {
	t.Parallel()
	r, s := registrytest.DebianTokens(t)
	f := newFetching(t, r, 600_000)
	before, first := s.Given.Load(), ""
	f.proxy.Blobs = faultproxy.To(f.layers()[0].Digest.String(), func(e *faultproxy.Exchange) {
		authorization := e.R.Header.Get("Authorization")
		switch {
		case first == "" && authorization != "":
			first = authorization
			faultproxy.Breaks(faultproxy.Cut, 200_000)(e)
		case authorization == first:
			// By now it has expired: the registry gets one that really has.
			e.R.Header.Set("Authorization", "Bearer "+s.Token([]string{"repository:some/image:pull"}, -time.Minute))
			faultproxy.Pass(e)
		default:
			faultproxy.Pass(e)
		}
	})
	f.succeeds()
	f.wantDelivered()
	if n := s.Given.Load() - before; n != 2 {
		t.Errorf("%d tokens were given, want 2", n)
	}
	if got := f.proxy.Of(f.layers()[0].Digest.String()); got.Requests != 3 || got.Cuts != 1 {
		t.Errorf("%+v: want one that was cut, one that was refused, one that went through", got)
	}
}

// TestFetchUnauthorizedForEver: a registry that takes no token is asked only so often.
func TestFetchUnauthorizedForEver(t *testing.T) {
	t.Parallel()
	r, s := registrytest.DebianTokens(t)
	f := newFetching(t, r, 50_000)
	blob := f.layers()[0].Digest.String()
	f.code += " --retry-times=2"
	f.proxy.Blobs = faultproxy.To(blob, faultproxy.Says(http.StatusUnauthorized, "WWW-Authenticate",
		fmt.Sprintf(`Bearer realm="%s/token",service="%s",scope="repository:some/image:pull"`, s.URL, registrytest.TokenService)))
	got := f.run(f.code)
	if got.Status != 1 && got.Status != 75 {
		t.Errorf("exit status %d, want 1 or 75", got.Status)
	}
	wantError(t, got, got.Status, blob, "401")
	// Each time with the token that it has, and with a new one.
	if n := f.proxy.Of(blob).Requests; n > 2*(2+1) {
		t.Errorf("it asked %d times", n)
	}
}
