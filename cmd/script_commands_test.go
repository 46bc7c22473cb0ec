package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

type script = testscript.TestScript

// commands are what scripts can do besides what testscript gives them.
var commands = map[string]func(s *script, neg bool, args []string){
	"status":  runStatus,
	"capture": capture,
	"flip":    flip,
	"listing": printListing,
	"object":  objectPath,
	"age":     age,
	"mktar":   mktar,
	"mkimage": mkimage,
	"mkindex": mkindex,
}

func wantArgs(s *script, neg bool, args []string, least int, usage string) {
	if neg || len(args) < least {
		s.Fatalf("usage: %s", usage)
	}
}

// runStatus runs a program as exec does, and wants a certain exit status.
func runStatus(s *script, neg bool, args []string) {
	wantArgs(s, neg, args, 2, "status N PROGRAM [ARG]...")
	want, err := strconv.Atoi(args[0])
	s.Check(err)
	got := 0
	if err := s.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			s.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		s.Fatalf("exit status %d, want %d", got, want)
	}
}

// capture puts into variables what the groups of a pattern match in a file.
func capture(s *script, neg bool, args []string) {
	wantArgs(s, neg, args, 3, "capture FILE PATTERN VARIABLE...")
	pattern, err := regexp.Compile("(?m)" + args[1])
	s.Check(err)
	match := pattern.FindStringSubmatch(s.ReadFile(args[0]))
	if len(match) != len(args)-1 {
		s.Fatalf("%s has no match of %q with %d groups", args[0], args[1], len(args)-2)
	}
	for i, name := range args[2:] {
		s.Setenv(name, match[i+1])
	}
}

// flip changes a byte of a file in place; a negative offset counts from the end.
func flip(s *script, neg bool, args []string) {
	wantArgs(s, neg, args, 2, "flip FILE OFFSET")
	at, err := strconv.Atoi(args[1])
	s.Check(err)
	s.Check(flipByte(s.MkAbs(args[0]), at))
}

func flipByte(name string, at int) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if at < 0 {
		at += len(data)
	}
	if at < 0 || at >= len(data) {
		return fmt.Errorf("%s has %d bytes", name, len(data))
	}
	data[at] ^= 0x55
	return os.WriteFile(name, data, 0o644)
}

// printListing prints what is below directories, with the times of all of it.
func printListing(s *script, neg bool, args []string) {
	wantArgs(s, neg, args, 1, "listing DIR...")
	for _, dir := range args {
		list, err := listing(s.MkAbs(dir))
		s.Check(err)
		fmt.Fprint(s.Stdout(), list)
	}
}

// listing describes all that is below a directory, a line each: mode, time of the
// last change, path, and the size of a file or where a link leads. Left out are the folders of
// leases and of their notes, which come and go, but not what is in them.
func listing(dir string) (string, error) {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, "/refs/cfs-lease") || strings.HasSuffix(path, "/cfs") || strings.HasSuffix(path, "/cfs/leases") {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		what := ""
		switch d.Type() {
		case fs.ModeDir:
		case fs.ModeSymlink:
			what, err = os.Readlink(path)
		default:
			what = strconv.FormatInt(st.Size(), 10)
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", st.Mode(), st.ModTime().Format(time.RFC3339Nano), strings.TrimPrefix(path, dir), what)
		return err
	})
	return b.String(), err
}

// objectPath puts the path of an object in the script's repository into a variable.
func objectPath(s *script, neg bool, args []string) {
	wantArgs(s, neg, args, 2, "object VARIABLE DIGEST")
	if len(args[1]) < 64 {
		s.Fatalf("%q is not a digest", args[1])
	}
	s.Setenv(args[0], filepath.Join(s.Getenv("COMPOSEFS_REPO"), "objects", args[1][:2], args[1][2:]))
}

// age makes files or links older than they are.
func age(s *script, neg bool, args []string) {
	wantArgs(s, neg, args, 2, "age DURATION FILE...")
	d, err := time.ParseDuration(args[0])
	s.Check(err)
	then := unix.NsecToTimeval(time.Now().Add(-d).UnixNano())
	for _, name := range args[1:] {
		s.Check(unix.Lutimes(s.MkAbs(name), []unix.Timeval{then, then}))
	}
}
