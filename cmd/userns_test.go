package cmd

import (
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// TestRootOfNamespace: root of a user namespace, as in "podman unshare", is a user: its repository is not that of
// the system.
func TestRootOfNamespace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if r := cmdtest.Shell(t, dir, "unshare -Ur true"); r.Status != 0 {
		t.Skipf("SKIP: no user namespaces here: %s", r.Stderr)
	}
	r := cmdtest.Shell(t, dir, `unset COMPOSEFS_REPO; HOME=$PWD/home unshare -Ur cfs-link ls`)
	if r.Status != 3 || !strings.Contains(r.Stderr, dir+"/home/.var/lib/composefs") {
		t.Errorf("status %d, %s", r.Status, r.Stderr)
	}
	cmdtest.Must(t, dir, `unset COMPOSEFS_REPO; mkdir home; HOME=$PWD/home unshare -Ur cfs-import --init --insecure < /dev/null && test -e home/.var/lib/composefs/meta.json`)
}
