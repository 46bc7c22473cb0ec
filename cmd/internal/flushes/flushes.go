// Package flushes follows the system calls of the tools in a repository, and reports which names
// and data a power cut would lose, by a strict reading of POSIX: data of files is durable after a
// syncfs, and a name after an fsync of its directory or a syncfs; nothing else is. Real file
// systems keep more.
//
// It checks the order that the tools guarantee:
//
//   - the mark of a writer is durable before it links its first object;
//   - all objects are durable before a stream or an EROFS image gets its name;
//   - the name of a manifest is durable before a tag refers to it;
//   - data that a record reports as stored, tagged or leased is durable before the record is
//     written, including the parent directories.
package flushes

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/cmd/internal/trap"
	"cfs/lib/record"
)

// Kinds are the calls that a Model must see.
var Kinds = []int{
	unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT,
	unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNCFS, unix.SYS_WRITE,
}

// Model is what of a repository is not durable.
type Model struct {
	Wrong   []string       // what was done in another order, or promised too early
	Flushes []string       // tool, call and folder of each flush
	Saw     map[string]int // promises by the kind of their record

	// Promises returns the names in the repository that a record promises.
	Promises func(tool string, rec record.Record) []string

	repo  string
	names map[string]bool // that are not durable, relative to the repository, which is "."
	data  map[string]bool // objects with data that are not
}

// New returns the model of a repository that is all durable, or does not exist yet.
func New(repo string, promises func(tool string, rec record.Record) []string) *Model {
	return &Model{repo: repo, Promises: promises, Saw: map[string]int{}, names: map[string]bool{}, data: map[string]bool{}}
}

// Before takes in a call that is about to be done: what a flush covers was done before.
func (m *Model) Before(c trap.Call) error {
	switch c.Nr {
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNCFS:
		m.flush(c)
	case unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_MKDIRAT:
		m.name(c)
	case unix.SYS_UNLINKAT:
		if name, ok := m.relative(c.Path()); ok {
			delete(m.names, name)
			delete(m.data, name)
		}
	case unix.SYS_WRITE:
		for line := range strings.Lines(c.Printed()) {
			if rec, err := record.Parse(strings.TrimSuffix(line, "\n")); err == nil {
				m.promise(c.Tool, rec)
			}
		}
	}
	return nil
}

func (m *Model) wrong(format string, args ...any) {
	m.Wrong = append(m.Wrong, fmt.Sprintf(format, args...))
}

// relative returns the path of something in the repository, or of that itself.
func (m *Model) relative(name string) (string, bool) {
	rel, err := filepath.Rel(m.repo, strings.TrimSuffix(name, " (deleted)"))
	return rel, err == nil && !strings.HasPrefix(rel, "..")
}

func (m *Model) flush(c trap.Call) {
	call := map[int]string{unix.SYS_FSYNC: "fsync", unix.SYS_FDATASYNC: "fdatasync", unix.SYS_SYNCFS: "syncfs"}[c.Nr]
	name := c.Path()
	if rel, ok := m.relative(name); ok {
		name = rel
	}
	m.Flushes = append(m.Flushes, c.Tool+" "+call+" "+name)
	if c.Nr == unix.SYS_SYNCFS {
		clear(m.names)
		clear(m.data)
		return
	}
	delete(m.data, name)
	maps.DeleteFunc(m.names, func(made string, _ bool) bool { return path.Dir(made) == name && made != "." })
	if c.Path() == filepath.Dir(m.repo) {
		delete(m.names, ".")
	}
}

// name takes in a call that makes a name.
func (m *Model) name(c trap.Call) {
	name, ok := m.relative(c.Path())
	if !ok {
		return
	}
	if _, err := os.Lstat(c.Path()); err == nil && c.Nr != unix.SYS_RENAMEAT && c.Nr != unix.SYS_RENAMEAT2 {
		return // it fails with EEXIST
	}
	source := c.Source()
	if from, ok := m.relative(source); ok && c.Nr != unix.SYS_SYMLINKAT {
		delete(m.names, from)
		if target, err := os.Readlink(source); err == nil {
			source = target
		}
	}
	m.names[name] = true
	switch top, base, _ := strings.Cut(name, "/"); {
	case c.Nr == unix.SYS_MKDIRAT:
	case top == "objects" && strings.Count(name, "/") == 2:
		m.data[name] = true
		m.checkMark(c.Tool, name)
	case (top == "streams" || top == "images") && !strings.Contains(base, "/"):
		m.checkNamed(c.Tool, name, source)
	case strings.HasPrefix(name, "streams/refs/oci/"):
		m.check(c.Tool+" makes "+name, path.Join(path.Dir(name), source))
	}
}

// checkMark checks that there is a durable mark when an object is linked.
func (m *Model) checkMark(tool, object string) {
	all, err := filepath.Glob(m.repo + "/cfs/unflushed-*")
	for _, mark := range all {
		if rel, ok := m.relative(mark); ok && m.lost(rel) == "" {
			return
		}
	}
	m.wrong("%s links %s while no mark is durable, of %q, %v", tool, object, all, err)
}

// checkNamed checks that all objects are durable when a stream or image gets its name.
func (m *Model) checkNamed(tool, name, target string) {
	lost := slices.Sorted(maps.Keys(m.data))
	for made := range m.names {
		if made == "objects" || strings.HasPrefix(made, "objects/") {
			lost = append(lost, made)
		}
	}
	if len(lost) > 0 {
		m.wrong("%s makes %s, which leads to %s, while %d objects and their names are not durable", tool, name, target, len(lost))
	}
}

// lost returns what of the way to a name is not durable, "" if all is.
func (m *Model) lost(name string) string {
	for ; ; name = path.Dir(name) {
		if m.names[name] {
			return name
		}
		if name == "." {
			return ""
		}
	}
}

func (m *Model) check(when, name string) {
	if lost := m.lost(name); lost != "" {
		m.wrong("%s while %s is not durable", when, lost)
	}
}

// promise checks what a record promises.
func (m *Model) promise(tool string, rec record.Record) {
	for _, name := range m.Promises(tool, rec) {
		m.Saw[rec.Kind]++
		if _, err := os.Lstat(m.repo + "/" + name); err != nil {
			m.wrong("%s writes the record %s %s: %v", tool, rec.Kind, rec.Digest, err)
		}
		m.check(fmt.Sprintf("%s writes the record %s %s", tool, rec.Kind, rec.Digest), name)
	}
}
