package cmd

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/registrytest"
	"cfs/cmd/internal/trap"

	"golang.org/x/sys/unix"
)

// home is a user who has configured nothing, and whom the configuration of this machine
// does not reach. Commands run in the user's folder.
type home struct {
	t     testing.TB
	dir   string
	env   []string
	stdin string
}

func newHome(t testing.TB) *home {
	t.Helper()
	h := &home{t: t, dir: cmdtest.Scratch(t)}
	for _, variable := range environ(t, h.dir+"/repo") {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "XDG_") && !strings.HasPrefix(name, "DOCKER_") && name != "REGISTRY_AUTH_FILE" && !strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			h.env = append(h.env, variable)
		}
	}
	h.setenv("HOME", h.dir)
	h.setenv("XDG_RUNTIME_DIR", h.dir+"/run")
	h.setenv("CONTAINERS_REGISTRIES_CONF", h.write("registries.conf", ""))
	h.write(".config/containers/policy.json", `{"default": [{"type": "insecureAcceptAnything"}]}`)
	h.mkdir("run")
	return h
}

func (h *home) setenv(name, value string) { h.env = append(h.env, name+"="+value) }

func (h *home) mkdir(name string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Join(h.dir, name), 0o700); err != nil {
		h.t.Fatal(err)
	}
}

// write writes a file of the user, and returns its path.
func (h *home) write(name, content string) (path string) {
	h.t.Helper()
	h.mkdir(filepath.Dir(name))
	path = filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// patience is how long a command may take, or a thing to happen: what hangs fails.
const patience = 3 * time.Minute

// eventually waits until something holds, and fails the test if it takes too long.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("it does not come to this: %s", what)
			return
		}
	}
}

// command is shell code that the user runs, with the tools in PATH.
func (h *home) command(code string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	h.t.Cleanup(cancel)
	c := exec.CommandContext(ctx, "sh", "-c", code)
	c.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return trap.KillGroup(c.Process.Pid) }
	c.Dir, c.Env, c.Stdin = h.dir, h.env, strings.NewReader(h.stdin)
	return c
}

// run runs shell code, and checks that it gives away no secret.
func (h *home) run(code string) result {
	h.t.Helper()
	r := cmdtest.Run(h.t, h.command(code))
	if strings.Contains(r.Stdout+r.Stderr, registrytest.Secret) {
		h.t.Errorf("%s: it prints the password:\n%s%s", code, r.Stdout, r.Stderr)
	}
	return r
}

// must is run for what has to succeed, and returns stdout.
func (h *home) must(code string) string {
	h.t.Helper()
	r := h.run(code)
	if r.Status != 0 {
		h.t.Fatalf("%s: exit status %d\n%s%s", code, r.Status, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// fails is run for what has to fail with a status, and to say each of parts.
func (h *home) fails(status int, code string, parts ...string) {
	h.t.Helper()
	h.t.Log(code)
	r := h.run(code)
	wantError(h.t, r, status, parts...)
	if strings.Contains(r.Stdout, "manifest ") {
		h.t.Errorf("%s: a manifest came:\n%s", code, r.Stdout)
	}
}

// skopeo runs skopeo, and skips the test where there is none.
func skopeo(t testing.TB, h *home, args string) {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("SKIPPED: ", err)
	}
	h.must("skopeo --insecure-policy " + args)
}
