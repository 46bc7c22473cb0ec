package cmd

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// login is an auth.json with the password of a registry.
func login(addr, password string) string {
	return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, addr, base64.StdEncoding.EncodeToString([]byte(userName+":"+password)))
}

// TestFetchLogin: each way in which users have their passwords opens a registry.
func TestFetchLogin(t *testing.T) {
	t.Parallel()
	layout := randomImage(t, 10, 2000)
	registries := map[string]*registry{"htpasswd": debianHtpasswd(t, nil)}
	registries["tokens"], _ = debianTokens(t)
	for _, r := range registries {
		r.push(t, layout, "some/image:1")
	}
	for name, prepare := range map[string]func(h *home, addr string) (options string){
		"auth.json": func(h *home, addr string) string {
			h.write("run/containers/auth.json", login(addr, secret))
			return ""
		},
		"auth.json for a repository": func(h *home, addr string) string {
			h.write("run/containers/auth.json", login(addr+"/some/image", secret))
			return ""
		},
		"auth.json among the configuration": func(h *home, addr string) string {
			h.write(".config/containers/auth.json", login(addr, secret))
			return ""
		},
		"config.json": func(h *home, addr string) string {
			h.write(".docker/config.json", login(addr, secret))
			return ""
		},
		"DOCKER_CONFIG": func(h *home, addr string) string {
			h.write("elsewhere/config.json", login(addr, secret))
			h.setenv("DOCKER_CONFIG", h.dir+"/elsewhere")
			return ""
		},
		"REGISTRY_AUTH_FILE": func(h *home, addr string) string {
			h.setenv("REGISTRY_AUTH_FILE", h.write("mine.json", login(addr, secret)))
			h.write("run/containers/auth.json", login(addr, "wrong"))
			return ""
		},
		"--authfile": func(h *home, addr string) string {
			h.setenv("REGISTRY_AUTH_FILE", h.write("other.json", login(addr, "wrong")))
			h.write("run/containers/auth.json", login(addr, "wrong"))
			return "--authfile=" + h.write("mine.json", login(addr, secret))
		},
		"auth.json before config.json": func(h *home, addr string) string {
			h.write("run/containers/auth.json", login(addr, secret))
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
			h.stdin = secret + "\n"
			return "--creds=" + userName + " --password-stdin"
		},
	} {
		for kind, r := range registries {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				h := newHome(t)
				options := prepare(h, r.addr)
				h.must("cfs-fetch --tls-verify=false --spool=spool " + options + " " + r.source("some/image:1"))
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
`, addr, userName, secret)
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
	r, h := debianHtpasswd(t, nil), newHome(t)
	r.push(t, randomImage(t, 11, 2000), "some/image:1")
	got := h.run("cfs-fetch --progress=none --tls-verify=false --spool=spool --creds=" + userName + ":" + secret + " " + r.source("some/image:1"))
	if got.Status != 0 || !strings.Contains(got.Stderr, "--password-stdin") {
		t.Errorf("exit status %d, stderr %q; want a warning that names --password-stdin", got.Status, got.Stderr)
	}
}

// TestFetchWrongPassword: who is refused is told so, by which registry, and no secret
// is told.
func TestFetchWrongPassword(t *testing.T) {
	t.Parallel()
	basic := debianHtpasswd(t, nil)
	tokens, _ := debianTokens(t)
	for name, r := range map[string]*registry{"htpasswd": basic, "tokens": tokens} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			fetch := "cfs-fetch --tls-verify=false --spool=spool " + r.source("some/image:1")
			h.fails(1, fetch, r.addr, "login")
			// It holds the right one, which run looks for.
			h.stdin = secret + "-but-wrong"
			h.fails(1, fetch+" --creds="+userName+" --password-stdin", r.addr, "login")
			h.fails(1, fetch+" --creds="+userName+":"+secret+"-but-wrong", r.addr, "login")
			h.fails(1, fetch+" --authfile="+h.write("auth.json", login(r.addr, secret+"-but-wrong")), r.addr, "login")
		})
	}
}

// TestFetchCredsUsage: what cannot be meant is wrong usage.
func TestFetchCredsUsage(t *testing.T) {
	t.Parallel()
	r, h := debianHtpasswd(t, nil), newHome(t)
	r.push(t, randomImage(t, 12, 2000), "image:1")
	fetch := "cfs-fetch --tls-verify=false --spool=spool " + r.source("image:1")
	h.fails(2, fetch+" --password-stdin", "--creds")
	h.fails(2, fetch+" --creds="+userName+":"+secret+" --password-stdin", "--password-stdin")
	h.fails(1, fetch+" --authfile=missing.json", "missing.json")
	h.fails(1, fetch+" --authfile="+h.write("bad.json", "{"), "bad.json")
}
