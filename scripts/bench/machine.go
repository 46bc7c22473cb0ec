package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where and of what results are.
type machine struct {
	CPU        string
	Processors int
	Memory     string
	Kernel     string
	FileSystem string // of the scratch folder
	Load       string // of the last minute, before the first job
	Go         string
	Programs   map[string]string // what each program says of its version
}

func describe(b *bench) machine {
	m := machine{CPU: fromFile("/proc/cpuinfo", "model name"), Processors: runtime.NumCPU(), Memory: fromFile("/proc/meminfo", "MemTotal"), Go: runtime.Version(), Programs: map[string]string{}}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	var fs unix.Statfs_t
	if unix.Statfs(b.dir, &fs) == nil {
		m.FileSystem = fileSystem(fs.Type)
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	m.Programs["cfs-pull"] = version(b.tools + "/cfs-pull")
	for name, path := range b.others {
		m.Programs[name] = version(path)
	}
	return m
}

func fileSystem(magic int64) string {
	names := map[int64]string{unix.EXT4_SUPER_MAGIC: "ext4", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.XFS_SUPER_MAGIC: "xfs", unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlayfs"}
	if name := names[magic]; name != "" {
		return name
	}
	return fmt.Sprintf("%#x", magic)
}

// version is the first line that a program says of itself, "" if it says nothing.
func version(path string) string {
	out, _ := exec.Command(path, "--version").Output() // not all have that option
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// fromFile returns the value of the first line "KEY: VALUE" with a key, or "".
func fromFile(name, key string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if k, v, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (m machine) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d processors, %s, Linux %s, %s, load %s, %s\n", m.CPU, m.Processors, m.Memory, m.Kernel, m.FileSystem, m.Load, m.Go)
	for _, name := range slices.Sorted(maps.Keys(m.Programs)) {
		fmt.Fprintf(w, "%s: %s\n", name, m.Programs[name])
	}
}
