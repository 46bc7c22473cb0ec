package cmd

import (
	"net/http"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/registrytest"
)

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
	f.fails(75, "timeout 120 "+f.code+" --retry-times=2", "429")
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
