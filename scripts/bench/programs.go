package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// ours are the programs of ours whose memory counts.
var ours = []string{"cfs-fetch", "cfs-import", "cfs-mkerofs", "cfs-link", "cfs-gc"}

// findOthers makes folders with the programs of others that are on PATH: names, to run
// them by, and peaks, with all programs each under GNU time, where that is there. A shim
// of GNU time has next to no memory itself, whereas of what a large program starts the
// kernel counts the memory of both. Timed runs are without it.
func (b *bench) findOthers() error {
	b.others = map[string]string{}
	for _, name := range []string{"cfsctl", "mkcomposefs", "skopeo"} {
		path, err := exec.LookPath(name)
		if err != nil || name == "mkcomposefs" && standIn(path) {
			fmt.Fprintf(b.stderr, "bench: LEFT OUT: %s is not on PATH\n", name)
			continue
		}
		if b.others[name], err = filepath.Abs(path); err != nil {
			return err
		}
	}
	if err := errors.Join(os.RemoveAll(b.path("run")), os.MkdirAll(b.path("run/names"), 0o755)); err != nil {
		return err
	}
	for name, path := range b.others {
		if err := script(b.path("run/names", name), "exec "+quote(path)+` "$@"`); err != nil {
			return err
		}
	}
	return b.shims()
}

// standIn says of a program whether it is our script of that name.
func standIn(path string) bool {
	text, err := os.ReadFile(path)
	return err == nil && bytes.HasPrefix(text, []byte("#!")) && bytes.Contains(text, []byte("cfs-mkerofs"))
}

func (b *bench) shims() error {
	timer, err := exec.LookPath("time")
	if err != nil {
		fmt.Fprintln(b.stderr, "bench: LEFT OUT: memory, for which GNU time must be on PATH")
		return nil
	}
	// cfs-pull looks for the tools where it is itself.
	pull, err := os.ReadFile(filepath.Join(b.tools, "cfs-pull"))
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(b.path("run/peaks"), 0o755), os.WriteFile(b.path("run/peaks/cfs-pull"), pull, 0o755)); err != nil {
		return err
	}
	all := map[string]string{}
	for _, name := range ours {
		all[name] = filepath.Join(b.tools, name)
	}
	for name, path := range b.others {
		all[name] = path
	}
	for name, path := range all {
		code := fmt.Sprintf(`exec %s -q -a -o "$BENCH_PEAKS" -f '%s %%M' %s "$@"`, quote(timer), name, quote(path))
		if err := script(b.path("run/peaks", name), code); err != nil {
			return err
		}
	}
	return nil
}

func script(name, code string) error {
	return os.WriteFile(name, []byte("#!/bin/sh\n"+code+"\n"), 0o755)
}

// quote writes a string as one word of shell code.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// timed is the PATH of runs whose time counts.
func (b *bench) timed() string {
	return b.path("run/names") + ":" + b.tools + ":" + os.Getenv("PATH")
}

// peak runs a command once more, without looking at the time, and returns what its programs
// had in memory: the peaks of all of them together, in bytes. Of a program that runs more than once the
// largest counts. It is 0 without GNU time.
func (b *bench) peak(c command, dir string) (bytes int64, err error) {
	if _, err := os.Stat(b.path("run/peaks")); errors.Is(err, fs.ErrNotExist) {
		_, err = b.measure(c, dir, b.timed())
		return 0, err
	}
	list := filepath.Join(dir, "peaks")
	c.env = append(c.env, "BENCH_PEAKS="+list)
	if _, err := b.measure(c, dir, b.path("run/peaks")+":"+b.timed()); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // none of the programs ran
	}
	if err != nil {
		return 0, err
	}
	kib := map[string]int64{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		name, number, _ := strings.Cut(line, " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("memory of %s: %w", c.code, err)
		}
		kib[name] = max(kib[name], n)
	}
	for _, n := range kib {
		bytes += n << 10
	}
	return bytes, nil
}
