package tool

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/variant"
)

// Version is the version of the tools, and Commit the hash of the sources. The build
// sets them with -ldflags -X, since Go's own stamps depend on where it is done.
var Version, Commit = "devel", ""

// printVersion prints what --version prints of the tool of a name. The first line is for
// scripts.
func printVersion(w io.Writer, name string) {
	commit := Commit
	if info, ok := debug.ReadBuildInfo(); ok {
		commit = cmp.Or(commit, stamp(info))
	}
	fmt.Fprintf(w, "%s version %s\n", name, Version)
	fmt.Fprintf(w, "commit %s, %s, %s/%s\n", cmp.Or(commit, "unknown"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(w, "formats: EROFS %s; splitstream %d; repository %d\n", erofsFormats(), splitstream.Version, repo.MetaVersion)
}

// stamp returns the commit that the go command found when it built the program, "" if it
// did not look.
func stamp(info *debug.BuildInfo) string {
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if revision != "" && settings["vcs.modified"] == "true" {
		revision += "-dirty"
	}
	return revision
}

func erofsFormats() string {
	var list []string
	for _, f := range variant.Formats() {
		list = append(list, fmt.Sprint(uint8(f)))
	}
	return strings.Join(list, ", ")
}
