package cmd

import (
	"net/http"
	"strings"
	"testing"

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
