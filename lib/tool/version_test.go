package tool

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// TestVersion: --version prints what the build has set.
func TestVersion(t *testing.T) {
	version, commit := Version, Commit
	defer func() { Version, Commit = version, commit }()
	Version, Commit = "v1.2.3", "0123abcd"
	var out strings.Builder
	printVersion(&out, "cfs-test")
	want := "cfs-test version v1.2.3\ncommit 0123abcd, " + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH +
		"\nformats: EROFS 0, 1, 2; splitstream 0; repository 1\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestStamp: without -ldflags, as after go build or go install, the commit is Go's stamp.
func TestStamp(t *testing.T) {
	for _, c := range []struct{ revision, modified, want string }{
		{"abc", "false", "abc"},
		{"abc", "true", "abc-dirty"},
		{"", "true", ""},
	} {
		info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: c.revision}, {Key: "vcs.modified", Value: c.modified}}}
		if got := stamp(info); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
