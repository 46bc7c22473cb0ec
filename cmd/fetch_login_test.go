package cmd

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"cfs/cmd/internal/registrytest"
)

// login is an auth.json with the password of a registry.
func login(addr, password string) string {
	return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, addr, base64.StdEncoding.EncodeToString([]byte(registrytest.User+":"+password)))
}

// TestFetchLogin: each way in which users have their passwords opens a registry.
func TestFetchLogin(t *testing.T) {
	t.Parallel()
	layout := randomImage(t, 10, 2000)
	registries := map[string]*registrytest.Registry{"htpasswd": registrytest.DebianHtpasswd(t, nil)}
	registries["tokens"], _ = registrytest.DebianTokens(t)
	for _, r := range registries {
		r.Push(t, layout, "some/image:1")
	}
	for name, prepare := range map[string]func(h *home, addr string) (options string){
		"auth.json": func(h *home, addr string) string {
			h.write("run/containers/auth.json", login(addr, registrytest.Secret))
			return ""
		},
		"auth.json for a repository": func(h *home, addr string) string {
			h.write("run/containers/auth.json", login(addr+"/some/image", registrytest.Secret))
			return ""
		},
		"auth.json among the configuration": func(h *home, addr string) string {
			h.write(".config/containers/auth.json", login(addr, registrytest.Secret))
			return ""
		},
		"config.json": func(h *home, addr string) string {
			h.write(".docker/config.json", login(addr, registrytest.Secret))
			return ""
		},
		"DOCKER_CONFIG": func(h *home, addr string) string {
			h.write("elsewhere/config.json", login(addr, registrytest.Secret))
			h.setenv("DOCKER_CONFIG", h.dir+"/elsewhere")
			return ""
		},
		"REGISTRY_AUTH_FILE": func(h *home, addr string) string {
			h.setenv("REGISTRY_AUTH_FILE", h.write("mine.json", login(addr, registrytest.Secret)))
			h.write("run/containers/auth.json", login(addr, "wrong"))
			return ""
		},
		"--authfile": func(h *home, addr string) string {
			h.setenv("REGISTRY_AUTH_FILE", h.write("other.json", login(addr, "wrong")))
			h.write("run/containers/auth.json", login(addr, "wrong"))
			return "--authfile=" + h.write("mine.json", login(addr, registrytest.Secret))
		},
		"auth.json before config.json": func(h *home, addr string) string {
			h.write("run/containers/auth.json", login(addr, registrytest.Secret))
			h.write(".docker/config.json", login(addr, "wrong"))
			return ""
		},
		"credential helper": func(h *home, addr string) string {
			h.write("run/containers/auth.json", fmt.Sprintf(`{"credHelpers": {%q: "of-a-test"}}`, addr))
			helper(h, addr)
			return ""
		},
		"credential store": func(h *home, addr string) string {
			h.write(".docker/config.json", `{"credsStore": "of-a-test", "auths": {"`+addr+`": {}}}`)
			helper(h, addr)
			return ""
		},
		"--creds and stdin": func(h *home, addr string) string {
			h.write("run/containers/auth.json", login(addr, "wrong"))
			h.stdin = registrytest.Secret + "\n"
			return "--creds=" + registrytest.User + " --password-stdin"
		},
	} {
		for kind, r := range registries {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				h := newHome(t)
				options := prepare(h, r.Addr)
				h.must("cfs-fetch --tls-verify=false --spool=spool " + options + " " + r.Source("some/image:1"))
			})
		}
	}
}

// helper puts a credential helper into the user's PATH. Its protocol is that of
// docker-credential-helpers: "get" reads the address of a registry.
func helper(h *home, addr string) {
	h.t.Helper()
	script := fmt.Sprintf(`#!/bin/sh
read -r server
[ "$1" = get ] && [ "$server" = %s ] || { echo "credentials not found in native keychain"; exit 1; }
printf '{"ServerURL": "%%s", "Username": "%s", "Secret": "%s"}' "$server"
`, addr, registrytest.User, registrytest.Secret)
	h.write("bin/docker-credential-of-a-test", script)
	for _, variable := range h.env {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			h.setenv("PATH", h.dir+"/bin:"+path)
		}
	}
}

// TestFetchCredsOnCommandLine: a password there works, with a warning that does not
// repeat it.
func TestFetchCredsOnCommandLine(t *testing.T) {
	t.Parallel()
	r, h := registrytest.DebianHtpasswd(t, nil), newHome(t)
	r.Push(t, randomImage(t, 11, 2000), "some/image:1")
	got := h.run("cfs-fetch --progress=none --tls-verify=false --spool=spool --creds=" + registrytest.User + ":" + registrytest.Secret + " " + r.Source("some/image:1"))
	if got.Status != 0 || !strings.Contains(got.Stderr, "--password-stdin") {
		t.Errorf("exit status %d, stderr %q; want a warning that names --password-stdin", got.Status, got.Stderr)
	}
}

// TestFetchWrongPassword: who is refused is told so, by which registry, and no secret
// is told.
func TestFetchWrongPassword(t *testing.T) {
	t.Parallel()
	basic := registrytest.DebianHtpasswd(t, nil)
	tokens, _ := registrytest.DebianTokens(t)
	for name, r := range map[string]*registrytest.Registry{"htpasswd": basic, "tokens": tokens} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			fetch := "cfs-fetch --tls-verify=false --spool=spool " + r.Source("some/image:1")
			h.fails(1, fetch, r.Addr, "login")
			// It holds the right one, which run looks for.
			h.stdin = registrytest.Secret + "-but-wrong"
			h.fails(1, fetch+" --creds="+registrytest.User+" --password-stdin", r.Addr, "login")
			h.fails(1, fetch+" --creds="+registrytest.User+":"+registrytest.Secret+"-but-wrong", r.Addr, "login")
			h.fails(1, fetch+" --authfile="+h.write("auth.json", login(r.Addr, registrytest.Secret+"-but-wrong")), r.Addr, "login")
		})
	}
}

// TestFetchCredsUsage: what cannot be meant is wrong usage.
func TestFetchCredsUsage(t *testing.T) {
	t.Parallel()
	r, h := registrytest.DebianHtpasswd(t, nil), newHome(t)
	r.Push(t, randomImage(t, 12, 2000), "image:1")
	fetch := "cfs-fetch --tls-verify=false --spool=spool " + r.Source("image:1")
	h.fails(2, fetch+" --password-stdin", "--creds")
	h.fails(2, fetch+" --creds="+registrytest.User+":"+registrytest.Secret+" --password-stdin", "--password-stdin")
	h.fails(1, fetch+" --authfile=missing.json", "missing.json")
	h.fails(1, fetch+" --authfile="+h.write("bad.json", "{"), "bad.json")
}
