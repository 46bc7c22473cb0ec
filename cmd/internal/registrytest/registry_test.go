package registrytest

import (
	"context"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"

	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
)

// These tests try the registries by clients that are not ours.

func TestMain(m *testing.M) { cmdtest.Main(m) }

func TestRegistries(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *Registry{
		"in process": func(t testing.TB) *Registry { return InProcess(t) },
		"open":       DebianOpen,
		"htpasswd": func(t testing.TB) *Registry {
			return DebianHtpasswd(t, NewAuthority(t))
		},
		"tokens": func(t testing.TB) *Registry {
			r, _ := DebianTokens(t)
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			layout, r := cmdtest.Scratch(t), start(t)
			imagetest.Make(t, layout, imagetest.NoiseLayers(t, 1, 100_000, 200_000)...)
			r.Push(t, layout, "some/image:1")
			repo := r.Repository(t, "some/image")
			want := imagetest.Top(t, layout)
			got, err := oras.Copy(context.Background(), repo, "1", memory.New(), "1", oras.DefaultCopyOptions)
			if err != nil || got.Digest != want.Digest {
				t.Errorf("oras-go gets %s, want %s: %v", got.Digest, want.Digest, err)
			}
			flags := "--src-tls-verify=false"
			if r.Authority != nil {
				flags = "--src-cert-dir " + r.Authority.Dir
			}
			if r.Password != "" {
				flags += " --src-creds " + User + ":" + r.Password
				stranger := *r
				stranger.Password = "wrong"
				if _, err := stranger.Repository(t, "some/image").Resolve(context.Background(), "1"); err == nil {
					t.Error("a wrong password opens it")
				}
			}
			if _, err := exec.LookPath("skopeo"); err != nil {
				t.Skip("SKIPPED: ", err)
			}
			dir := t.TempDir()
			cmdtest.Must(t, dir, "skopeo --insecure-policy copy -q "+flags+" "+r.Source("some/image:1")+" oci:out:1", "HOME="+dir)
		})
	}
}

// TestTokenExpires: a token that has expired is refused, though clients were told of a
// longer life.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	r, s := DebianTokens(t)
	for life, want := range map[time.Duration]int{time.Minute: http.StatusOK, -2 * time.Second: http.StatusUnauthorized} {
		got := Get(t, "http://"+r.Addr+"/v2/", "Authorization", "Bearer "+s.Token(nil, life))
		if got.StatusCode != want {
			t.Errorf("a token with %v to go: %s %s, want %d", life, got.Status, got.Text, want)
		}
	}
}
