package mount

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Mounts are the composefs mounts that there are, in all mount namespaces that a process
// is in which the caller sees. Those of a namespace that no process is in any more, as one
// that is kept by a bind mount alone, are not seen; nor are those of processes that /proc
// does not show, because it belongs to a PID namespace or is mounted with hidepid.
type Mounts struct {
	// Names are those of the mounted images (Options.Name), in byte order. A name is
	// any string: the reference tools put there what their user typed, and what is no
	// digest may be the name of a reference. And anybody who can mount in a user
	// namespace chooses one.
	Names []string

	// Hidden is how many processes there are of which the caller may not see the mounts.
	Hidden int

	namespaces map[uint64]uint64 // by inode: the number that listmount(2) has for them
}

// Mounted returns the composefs mounts that there are. Each mount namespace is read once,
// or once for each root directory in it; where the caller may not ask a process for its
// namespace, once for that process. What another process does not let the caller see, or
// has taken with it when it ended, is no error.
func Mounted() (*Mounts, error) {
	s := scan{list: listProcesses, link: os.Readlink, read: os.ReadFile}
	return s.run()
}

// listProcesses returns the PIDs of all processes that /proc shows.
func listProcesses() (pids []string, err error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return slices.DeleteFunc(names, func(name string) bool { return name[0] < '0' || name[0] > '9' }), err
}

// scan looks for mounts in /proc, by functions that a test can let fail.
type scan struct {
	list func() (pids []string, err error)
	link func(path string) (string, error)
	read func(path string) ([]byte, error)

	names  map[string]bool
	seen   map[view]bool
	alone  map[string]bool // PIDs of processes that do not show their namespace
	hidden map[string]bool // of those that show nothing
	ids    map[uint64]uint64
}

// view is a place from which mounts are seen: mountinfo leaves out what lies outside of the
// root directory of its process.
type view struct{ namespace, root string }

// maxRounds is how often processes are listed: while they are examined others may start,
// in a namespace whose last process that was listed has ended.
const maxRounds = 10

func (s *scan) run() (*Mounts, error) {
	s.names, s.seen, s.ids = map[string]bool{}, map[view]bool{}, map[uint64]uint64{}
	s.alone, s.hidden = map[string]bool{}, map[string]bool{}
	if _, err := s.process("self"); err != nil {
		return nil, err
	}
	for found, round := true, 0; found && round < maxRounds; round++ {
		pids, err := s.list()
		if err != nil {
			return nil, err
		}
		found = false
		for _, pid := range pids {
			fresh, err := s.process(pid)
			if err = s.pass(pid, err); err != nil {
				return nil, err
			}
			found = found || fresh
		}
	}
	return &Mounts{Names: slices.Sorted(maps.Keys(s.names)), Hidden: len(s.hidden), namespaces: s.ids}, nil
}

// process reads the mounts that a process sees, unless another one sees the same. It
// reports whether there may be something new.
func (s *scan) process(pid string) (fresh bool, err error) {
	v, err := s.view(pid)
	if errors.Is(err, fs.ErrPermission) {
		if s.alone[pid] {
			return false, nil
		}
		s.alone[pid] = true
		return true, s.mountinfo(pid)
	}
	if err != nil || s.seen[v] {
		return false, err
	}
	if err := s.mountinfo(pid); err != nil {
		return false, err
	}
	inode, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(v.namespace, "mnt:["), "]"), 10, 64)
	id, known := namespaceID("/proc/" + pid + "/ns/mnt")
	// It may have gone to another namespace meanwhile, or be another process.
	if again, err := s.view(pid); err != nil || again != v {
		return true, err
	}
	s.seen[v] = true
	if known {
		s.ids[inode] = id
	}
	return true, nil
}

func (s *scan) mountinfo(pid string) error {
	table, err := s.read("/proc/" + pid + "/mountinfo")
	if err == nil {
		addMountinfo(s.names, string(table))
	}
	return err
}

func (s *scan) view(pid string) (v view, err error) {
	if v.namespace, err = s.link("/proc/" + pid + "/ns/mnt"); err != nil {
		return v, err
	}
	v.root, err = s.link("/proc/" + pid + "/root")
	return v, err
}

// pass drops errors that say that a process has ended, or may not be examined, which it
// counts. EINVAL comes from one that is about to end.
func (s *scan) pass(pid string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		s.hidden[pid] = true
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL):
		return nil
	}
	return err
}

// addMountinfo adds the names of images in a table as parseMountinfo reads it.
func addMountinfo(names map[string]bool, table string) {
	for _, p := range parseMountinfo(table) {
		names[p.Name] = true
	}
}

// Point is a composefs mount in the mount namespace of this process.
type Point struct {
	Dir      string // where it is mounted
	Name     string // of the image, as in Mounts.Names
	ReadOnly bool
}

// Points returns the composefs mounts that this process sees, in the order in which they
// were made.
func Points() ([]Point, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	return parseMountinfo(string(table)), err
}

// parseMountinfo returns the composefs mounts in lines as proc_pid_mountinfo(5) has them:
//
//	36 35 98:0 / /mnt rw,noatime shared:1 - overlay composefs:ab12 rw,...
//
// with any number of optional fields before the lone dash.
func parseMountinfo(table string) (points []Point) {
	for line := range strings.Lines(table) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(f) < 6 {
			continue
		}
		fs := f[6:]
		fs = fs[slices.Index(fs, "-")+1:]
		if len(fs) < 2 || fs[0] != "overlay" && fs[0] != "fuse" && !strings.HasPrefix(fs[0], "fuse.") {
			continue
		}
		if name, ok := strings.CutPrefix(unescape(fs[1]), source); ok {
			points = append(points, Point{unescape(f[4]), name, slices.Contains(strings.Split(f[5], ","), "ro")})
		}
	}
	return points
}

// unescape undoes the kernel's writing of space, tab, newline, backslash and # as
// a backslash and three octal digits.
func unescape(s string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, `\`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if c, ok := octal(after); ok {
			b.WriteByte(c)
			s = after[3:]
		} else {
			b.WriteByte('\\')
			s = after
		}
	}
}

// octal reads three digits of a byte.
func octal(s string) (byte, bool) {
	if len(s) < 3 || s[0] > '3' {
		return 0, false
	}
	var c byte
	for i := range 3 {
		if s[i] < '0' || s[i] > '7' {
			return 0, false
		}
		c = c<<3 + (s[i] - '0')
	}
	return c, true
}
