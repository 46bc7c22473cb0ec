package cmd

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/registrytest"
)

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
