package cmd

import (
	"runtime"
	"testing"

	"cfs/cmd/cmdtest"
)

// TestClosedStdout: who closes stdout is told so, before anything is done.
func TestClosedStdout(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("SKIPPED: lib/tool/start.go is not for ", runtime.GOARCH)
	}
	repo := cmdtest.Scratch(t) + "/repo"
	for _, tool := range []string{"cfs-fetch inspect oci:none", "cfs-import --init --insecure </dev/null", "cfs-mkerofs ls x", "cfs-link ls", "cfs-gc", "cfs-mount --list", "cfs-pull oci:none x"} {
		wantError(t, shell(t, repo, tool+" >&-"), 1, "stdout is closed")
	}
	must(t, "", "! test -e "+repo)
	for _, tool := range []string{"cfs-link --help", "cfs-gc check --help", "cfs-mount --version", "cfs help", "cfs --version", "cfs-pull --help", "cfs-pull --version"} {
		wantError(t, shell(t, repo, tool+" >/dev/full"), 1, "o space left on device")
	}
	must(t, repo, "cfs-import --init --insecure </dev/null >/dev/null && cfs-link ls >/dev/null && cfs-link ls 1<>/dev/null")
}
