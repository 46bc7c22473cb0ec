package cmd

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cfs/cmd/internal/imagetest"
)

// TestFetchFaults: what a registry does wrong now and then does not keep an image away,
// and costs no more than it must.
func TestFetchFaults(t *testing.T) {
	t.Parallel()
	r := debianOpen(t)
	layout := randomImage(t, 5, 900_000, 1_200_000)
	r.push(t, layout, "some/image:1")
	cut, late := breaks(endCut, 300_000), breaks(endCut, 700_000)
	for _, c := range []struct {
		name  string
		fault fault
	}{
		{"none", pass},
		{"cut", times(3, cut)},
		{"cut at the start", times(2, breaks(endCut, 0))},
		{"cut before the last byte", once(breaks(endCut, 899_999))},
		{"reset", times(3, breaks(endReset, 200_000))},
		{"truncated", once(truncates(250_000))},
		{"longer than it is", once(lengthens(100))},
		{"wrong byte", once(flips(123_456))},
		{"wrong byte after a cut", inOrder(cut, flips(123_456))},
		{"cut, and the range ignored", inOrder(cut, ignoresRange)},
		{"cut, and the range ignored and cut", inOrder(cut, ignoresRangeAnd(cut))},
		{"cut, and another offset", inOrder(cut, wrongOffset(1000, false))},
		{"cut, and an earlier offset", inOrder(cut, wrongOffset(-1000, false))},
		{"cut, and another offset that is denied", inOrder(cut, wrongOffset(1000, true))},
		{"416", once(says(http.StatusRequestedRangeNotSatisfiable))},
		{"cut, and 416", inOrder(cut, says(http.StatusRequestedRangeNotSatisfiable))},
		{"cut, and 416, and cut", inOrder(late, says(http.StatusRequestedRangeNotSatisfiable), late, late)},
		{"cut, and another offset, and cut", inOrder(late, wrongOffset(1000, false), late, late)},
		{"wrong byte, and cut", inOrder(flips(123_456), late, late)},
		{"408", once(says(http.StatusRequestTimeout))},
		{"429", once(says(http.StatusTooManyRequests))},
		{"500", once(says(http.StatusInternalServerError))},
		{"502", once(says(http.StatusBadGateway))},
		{"503", times(2, says(http.StatusServiceUnavailable))},
		{"504", inOrder(cut, says(http.StatusGatewayTimeout))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := fetchingOf(t, r, layout, "some/image:1")
			config := imagetest.Manifest(t, layout).Config.Digest.String()
			f.proxy.fault = choice(func(e *exchange) fault {
				if e.blob == config {
					return pass
				}
				return c.fault
			})
			f.succeeds()
			f.wantDelivered()
			f.proxy.waitIdle() // what has come is counted then
			before := f.proxy.total()
			f.succeeds()
			if after := f.proxy.total(); after.delivered > before.delivered+imagetest.Manifest(t, layout).Config.Size {
				t.Errorf("the second time it got %d bytes of blobs", after.delivered-before.delivered)
			}
		})
	}
}

// TestFetchConfigFaults: a config comes as a layer does.
func TestFetchConfigFaults(t *testing.T) {
	t.Parallel()
	r := inProcess(t)
	layout := randomImage(t, 26, 10_000)
	r.push(t, layout, "some/image:1")
	for name, fault := range map[string]fault{
		"cut":               once(breaks(endCut, 100)),
		"503":               once(says(http.StatusServiceUnavailable)),
		"truncated":         once(truncates(100)),
		"longer than it is": once(lengthens(100)),
		"wrong byte":        once(flips(100)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fetchingOf(t, r, layout, "some/image:1")
			f.proxy.fault = to(imagetest.Manifest(t, layout).Config.Digest.String(), fault)
			f.succeeds()
		})
	}
}

// ignoresRangeAnd answers with all of a blob, to which it does something else.
func ignoresRangeAnd(f fault) fault {
	return func(e *exchange) {
		e.r.Header.Del("Range")
		e.lie()
		f(e)
	}
}

// TestFetchManifestFaults does to manifests what may happen.
func TestFetchManifestFaults(t *testing.T) {
	t.Parallel()
	r := inProcess(t)
	layout := randomImage(t, 6, 10_000)
	r.push(t, layout, "some/image:1")
	for name, fault := range map[string]fault{
		"cut":   once(breaks(endCut, 100)),
		"reset": once(breaks(endReset, 0)),
		"503":   once(says(http.StatusServiceUnavailable)),
		"429":   once(says(http.StatusTooManyRequests, "Retry-After", "0")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fetchingOf(t, r, layout, "some/image:1")
			f.proxy.manifest = fault
			f.succeeds()
		})
	}
	t.Run("wrong byte", func(t *testing.T) {
		t.Parallel()
		f := fetchingOf(t, r, layout, "some/image@"+imagetest.Top(t, layout).Digest.String())
		f.succeeds()
		f.proxy.manifest = flips(1)
		f.fails(4, strings.Replace(f.code, "/spool", "/new-spool", 1), imagetest.Top(t, layout).Digest.String())
	})
}

// TestFetchRetryAfter: a registry is not asked before the time that it says.
func TestFetchRetryAfter(t *testing.T) {
	t.Parallel()
	f := newFetching(t, inProcess(t), 50_000)
	var asked []time.Time
	f.proxy.fault = to(f.layers()[0].Digest.String(), func(e *exchange) {
		asked = append(asked, time.Now())
		once(says(http.StatusTooManyRequests, "Retry-After", "2"))(e)
	})
	f.succeeds()
	if len(asked) != 2 || asked[1].Sub(asked[0]) < 2*time.Second {
		t.Errorf("it asked at %v", asked)
	}
}

// TestFetchRetryNextDay: nobody waits for as long as a registry may say.
func TestFetchRetryNextDay(t *testing.T) {
	t.Parallel()
	f := newFetching(t, inProcess(t), 50_000)
	f.proxy.fault = to(f.layers()[0].Digest.String(), says(http.StatusTooManyRequests, "Retry-After", "86400"))
	f.fails(75, "timeout 30 "+f.code+" --retry-times=2", "429")
}

// TestFetchWrongBytes: a blob that is not what its digest says is fetched once more,
// and then given up.
func TestFetchWrongBytes(t *testing.T) {
	t.Parallel()
	f := newFetching(t, debianOpen(t), 400_000, 500_000)
	bad := f.layers()[1]
	f.proxy.fault = to(bad.Digest.String(), flips(1000))
	f.fails(4, f.code, bad.Digest.String())
	f.wantNoBlob(bad)
	if got := f.proxy.of(bad.Digest.String()); got.delivered != 2*bad.Size {
		t.Errorf("%+v of %d bytes, want them twice", got, bad.Size)
	}
	f.proxy.fault = pass
	f.succeeds()
}

// TestFetchTryAgain: what does not get better is given up with exit status 75, and what
// has come by then stays for the next time.
func TestFetchTryAgain(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]fault{
		"503":   then(breaks(endCut, 400_000), says(http.StatusServiceUnavailable)),
		"429":   then(breaks(endCut, 400_000), says(http.StatusTooManyRequests)),
		"reset": then(breaks(endCut, 400_000), breaks(endReset, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFetching(t, inProcess(t), 900_000)
			f.proxy.fault = to(f.layers()[0].Digest.String(), bad)
			f.fails(75, f.code+" --retry-times=2", f.layers()[0].Digest.String())
			if n := f.proxy.total().requests; n > 8 {
				t.Errorf("it asked %d times", n)
			}
			f.wantNoBlob(f.layers()[0])
			f.proxy.fault = pass
			f.succeeds()
			f.wantDelivered()
		})
	}
}

func TestFetchNoRegistry(t *testing.T) {
	t.Parallel()
	h, p := newHome(t), newFaultProxy(t, inProcess(t))
	nobody := "127.0.0.2:1"
	h.fails(75, "cfs-fetch --tls-verify=false --retry-times=1 --spool=spool docker://"+nobody+"/image:1", nobody)
	h.fails(3, "cfs-fetch --tls-verify=false --retry-times=1 --spool=spool "+p.source("missing:1"), "missing")
}

// TestFetchMissingBlob: a manifest may name what is not there.
func TestFetchMissingBlob(t *testing.T) {
	t.Parallel()
	f := newFetching(t, inProcess(t), 5_000, 6_000)
	missing := f.layers()[1].Digest.String()
	f.proxy.fault = to(missing, says(http.StatusNotFound))
	f.fails(3, f.code, missing)
	if n := f.proxy.of(missing).requests; n > 2 {
		t.Errorf("it asked %d times for what is not there", n)
	}
}

// TestFetchStall: a body that does not go on is given up, and goes on by another request.
func TestFetchStall(t *testing.T) {
	t.Parallel()
	f := newFetching(t, inProcess(t), 600_000)
	f.proxy.fault = to(f.layers()[0].Digest.String(), once(breaks(endStall, 200_000)))
	f.code += " --idle-timeout=1s"
	f.succeeds()
	f.wantDelivered()
}

// TestFetchKilled kills cfs-fetch in the middle of a blob: the next one goes on there.
func TestFetchKilled(t *testing.T) {
	t.Parallel()
	f := newFetching(t, debianOpen(t), 1_500_000, 700_000, 800_000)
	for i := range 4 {
		if r := f.killedAfter(500_000, f.code); r.Status != -1 {
			t.Fatalf("kill %d: exit status %d\n%s", i, r.Status, r.Stderr)
		}
	}
	f.succeeds()
	f.wantDelivered()
}

// TestFetchTokenExpires lets the token expire while a blob comes: the rest is fetched
// by a new one.
func TestFetchTokenExpires(t *testing.T) {
	t.Parallel()
	r, s := debianTokens(t)
	f := newFetching(t, r, 600_000)
	s.lifetime = time.Second
	before := s.given.Load()
	f.proxy.fault = to(f.layers()[0].Digest.String(), once(func(e *exchange) {
		e.forward(func(a *http.Response) {
			// A token's time is whole seconds.
			a.Body = limited(slow(a.Body, 2500*time.Millisecond), 200_000, endCut)
		})
	}))
	f.succeeds()
	f.wantDelivered()
	if n := s.given.Load() - before; n < 2 {
		t.Errorf("%d tokens were given, want at least 2", n)
	}
	if got := f.proxy.of(f.layers()[0].Digest.String()); got.requests < 3 {
		t.Errorf("%+v: want one that was cut, one that was refused, one that went through", got)
	}
}

// TestFetchUnauthorizedForEver: a registry that takes no token is asked only so often.
func TestFetchUnauthorizedForEver(t *testing.T) {
	t.Parallel()
	r, s := debianTokens(t)
	f := newFetching(t, r, 50_000)
	blob := f.layers()[0].Digest.String()
	f.code += " --retry-times=2"
	f.proxy.fault = to(blob, says(http.StatusUnauthorized, "WWW-Authenticate",
		fmt.Sprintf(`Bearer realm="%s/token",service="%s",scope="repository:some/image:pull"`, s.URL, tokenService)))
	got := f.run(f.code)
	if got.Status != 1 && got.Status != 75 {
		t.Errorf("exit status %d, want 1 or 75", got.Status)
	}
	wantError(t, got, got.Status, blob, "401")
	// Each time with the token that it has, and with a new one.
	if n := f.proxy.of(blob).requests; n > 2*(2+1) {
		t.Errorf("it asked %d times", n)
	}
}
