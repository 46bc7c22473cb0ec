package cmd

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"cfs/cmd/internal/registrytest"
)

// certsOf copies what a --cert-dir has into the user's folder, and returns where.
func certsOf(h *home, a *registrytest.Authority, name string) (dir string) {
	h.t.Helper()
	text, err := os.ReadFile(a.Dir + "/ca.crt")
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(name+"/ca.crt", string(text))
	return h.dir + "/" + name
}

// TestFetchTLS: a certificate of an authority that the user trusts opens a registry, one
// of another does not.
func TestFetchTLS(t *testing.T) {
	t.Parallel()
	a := registrytest.NewAuthority(t)
	r := registrytest.DebianHtpasswd(t, a)
	r.Push(t, randomImage(t, 13, 2000), "some/image:1")
	user := func(t *testing.T) *home {
		h := newHome(t)
		h.write("run/containers/auth.json", login(r.Addr, registrytest.Secret))
		return h
	}
	fetch := "cfs-fetch --spool=spool " + r.Source("some/image:1")
	t.Run("unknown", func(t *testing.T) {
		h := user(t)
		got := h.run(fetch)
		if got.Status == 0 || !strings.Contains(got.Stderr, "certificate") {
			t.Errorf("exit status %d\n%s", got.Status, got.Stderr)
		}
	})
	t.Run("of another", func(t *testing.T) {
		h := user(t)
		got := h.run(fetch + " --cert-dir=" + certsOf(h, registrytest.NewAuthority(t), "certs"))
		if got.Status == 0 || !strings.Contains(got.Stderr, "certificate") {
			t.Errorf("exit status %d\n%s", got.Status, got.Stderr)
		}
	})
	t.Run("--cert-dir", func(t *testing.T) {
		h := user(t)
		h.must(fetch + " --cert-dir=" + certsOf(h, a, "certs"))
	})
	t.Run("certs.d", func(t *testing.T) {
		h := user(t)
		certsOf(h, a, ".config/containers/certs.d/"+r.Addr)
		h.must(fetch)
	})
	t.Run("--tls-verify=false", func(t *testing.T) {
		user(t).must(fetch + " --tls-verify=false")
	})
	t.Run("insecure", func(t *testing.T) {
		h := user(t)
		h.write("registries.conf", fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", r.Addr))
		h.must(fetch)
	})
	t.Run("SSL_CERT_FILE", func(t *testing.T) {
		h := user(t)
		h.setenv("SSL_CERT_FILE", a.Dir+"/ca.crt")
		h.must(fetch)
	})
}

// TestFetchPlainHTTP: without being told so, nothing goes to a registry in plain.
func TestFetchPlainHTTP(t *testing.T) {
	t.Parallel()
	f := newFetching(t, registrytest.InProcess(t), 2000)
	r := f.run(strings.Replace(f.code, "--tls-verify=false", "--retry-times=0", 1))
	if n := f.proxy.Total().Requests + f.proxy.ManifestRequests(); r.Status == 0 || n != 0 {
		t.Errorf("exit status %d, %d requests\n%s", r.Status, n, r.Stderr)
	}
	f.write("registries.conf", fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", f.proxy.Addr))
	f.must(strings.Replace(f.code, "--tls-verify=false", "", 1))
}

// TestFetchClientCertificate: a registry may want to know who comes.
func TestFetchClientCertificate(t *testing.T) {
	t.Parallel()
	a := registrytest.NewAuthority(t)
	tls := strings.TrimSuffix(a.ServerConfig(t), "}")
	r := registrytest.Debian(t, tls+", clientcas: ["+a.Dir+"/ca.crt]}", "")
	h := newHome(t)
	certs := certsOf(h, a, "certs")
	fetch := "cfs-fetch --retry-times=0 --spool=spool --cert-dir=" + certs + " " + r.Source("missing:1")
	if got := h.run(fetch); got.Status == 0 || got.Status == 3 {
		t.Errorf("without a certificate: exit status %d\n%s", got.Status, got.Stderr)
	}
	a.Save(t, certs+"/client")
	// It came in, and found nothing.
	h.fails(3, fetch, "missing")
}
