package mount

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/uptime"
	"cfs/lib/verity"
)

func parse(table string) []string {
	names := map[string]bool{}
	addMountinfo(names, table)
	return slices.Sorted(maps.Keys(names))
}

func TestParseMountinfo(t *testing.T) {
	const table = `22 27 0:20 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
66 27 0:40 / /mnt/one ro,relatime shared:7 master:2 - overlay composefs:ab12 ro,lowerdir=/proc/self/fd/11::/proc/self/fd/12
67 27 0:41 / /mnt/t\040w\134o ro,relatime shared:7 - overlay composefs:ab12 ro
68 27 0:41 / /mnt/ref ro,relatime - overlay composefs:refs/a\040b ro
69 27 0:42 / /mnt/none rw,relatime - overlay overlay rw
70 27 0:43 / /mnt/tmp rw,relatime - tmpfs composefs:cd34 rw
71 27 0:44 / /mnt/older ro,relatime - overlay composefs ro
72 27 0:45 / /mnt/fuse ro,relatime - fuse composefs:f0 ro
73 27 0:46 / /mnt/fuse2 rw,relatime - fuse.cfs composefs:f1 ro
74 27 0:47 / /mnt/fuse3 ro,relatime - fusectl composefs:f2 ro
`
	if got, want := parse(table), []string{"ab12", "f0", "f1", "refs/a b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	points := parseMountinfo(table)
	if len(points) != 5 || points[0] != (Point{"/mnt/one", "ab12", true}) || points[1].Dir != `/mnt/t w\o` || points[3].ReadOnly == points[4].ReadOnly {
		t.Errorf("%+v", points)
	}
}

// What the kernel escapes as it does comes back as it was.
func FuzzParseMountinfo(f *testing.F) {
	f.Add("ab12", "/mnt")
	f.Add(`a\040 b#`, "/mnt/\t\\\n")
	f.Add("", "//deleted - overlay composefs:x")
	f.Fuzz(func(t *testing.T, name, dir string) {
		parse(name + dir)
		if strings.Contains(name+dir, "\x00") {
			return
		}
		line := fmt.Sprintf("66 27 0:40 / %s ro - overlay composefs:%s ro\n", escape(dir), escape(name))
		if got := parse(line); len(got) != 1 || got[0] != name {
			t.Errorf("%q: got %q, want %q", line, got, name)
		}
		if got := parseMountinfo(line); got[0].Dir != dir {
			t.Errorf("%q: mounted at %q, want %q", line, got[0].Dir, dir)
		}
	})
}

// escape writes a string as the kernel does there (mangle_path in fs/seq_file.c).
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(" \t\n\\#", s[i]) >= 0 {
			fmt.Fprintf(&b, `\%03o`, s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// machine is a /proc that a test makes: processes and their mount namespaces.
type machine struct {
	ns     map[string]string // by PID
	fail   map[string]error  // by path
	reads  []string
	starts func(round int)
	rounds int
}

func (m *machine) scan() *scan {
	list := func() ([]string, error) {
		m.rounds++
		if m.starts != nil {
			m.starts(m.rounds)
		}
		return slices.Sorted(maps.Keys(m.ns)), m.fail["/proc"]
	}
	split := func(path string) (pid, file string) {
		pid, file, _ = strings.Cut(strings.TrimPrefix(path, "/proc/"), "/")
		return pid, file
	}
	link := func(path string) (string, error) {
		pid, file := split(path)
		switch {
		case m.fail[path] != nil:
			return "", &os.PathError{Op: "readlink", Path: path, Err: m.fail[path]}
		case pid != "self" && m.ns[pid] == "":
			return "", &os.PathError{Op: "readlink", Path: path, Err: unix.ENOENT}
		case file == "root":
			return "/", nil
		case pid == "self":
			return "mnt:[1]", nil
		}
		return "mnt:[" + m.ns[pid] + "]", nil
	}
	read := func(path string) ([]byte, error) {
		pid, _ := split(path)
		if m.fail[path] != nil {
			return nil, &os.PathError{Op: "open", Path: path, Err: m.fail[path]}
		}
		m.reads = append(m.reads, pid)
		return fmt.Appendf(nil, "66 27 0:40 / /mnt ro - overlay composefs:of-%s ro\n", m.ns[pid]), nil
	}
	return &scan{list: list, link: link, read: read}
}

// TestReviewOtherNamespaces: each mount namespace is read once, whoever is in it.
func TestReviewOtherNamespaces(t *testing.T) {
	m := &machine{ns: map[string]string{"10": "1", "11": "1", "20": "2", "21": "2", "22": "2", "30": "3"}}
	got, err := m.scan().run()
	if err != nil || got.Hidden != 0 || !slices.Equal(got.Names, []string{"of-", "of-2", "of-3"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if !slices.Equal(m.reads, []string{"self", "20", "30"}) {
		t.Errorf("mountinfo was read of %q", m.reads)
	}
}

// TestNamespacesThatStart: a namespace whose process begins while others are read is read
// in the next round.
func TestNamespacesThatStart(t *testing.T) {
	m := &machine{ns: map[string]string{"10": "2"}}
	m.starts = func(round int) {
		if round == 2 {
			delete(m.ns, "10")
			m.ns["11"] = "3"
		}
	}
	got, err := m.scan().run()
	if err != nil || !slices.Equal(got.Names, []string{"of-", "of-2", "of-3"}) || m.rounds != 3 {
		t.Errorf("got %+v, %v after %d rounds", got, err, m.rounds)
	}
}

// TestNamespacesThatFail: what a process hides, or takes with it, is not seen; an error of
// the machine says nothing about mounts, and comes back.
func TestNamespacesThatFail(t *testing.T) {
	for _, path := range []string{"/proc/20/ns/mnt", "/proc/20/root", "/proc/20/mountinfo"} {
		for _, v := range []struct {
			err           error
			hides, hasEnd bool
		}{
			{err: unix.EACCES, hides: true}, {err: unix.EPERM, hides: true},
			{err: unix.ENOENT, hasEnd: true}, {err: unix.ESRCH, hasEnd: true}, {err: unix.EINVAL, hasEnd: true},
			{err: unix.EMFILE}, {err: unix.ENFILE}, {err: unix.ENOMEM}, {err: unix.EIO},
		} {
			m := &machine{ns: map[string]string{"20": "2", "30": "3"}, fail: map[string]error{path: v.err}}
			got, err := m.scan().run()
			want := Mounts{Names: []string{"of-", "of-3"}}
			switch {
			case v.hides && path == "/proc/20/mountinfo":
				want.Hidden = 1
			case v.hides: // the table is there for all to read
				want.Names = []string{"of-", "of-2", "of-3"}
			case !v.hasEnd:
				if !errors.Is(err, v.err) {
					t.Errorf("%s: %v: got %+v, %v", path, v.err, got, err)
				}
				continue
			}
			if err != nil || got.Hidden != want.Hidden || !slices.Equal(got.Names, want.Names) {
				t.Errorf("%s: %v: got %+v, %v", path, v.err, got, err)
			}
		}
	}
	m := &machine{ns: map[string]string{"20": "2"}, fail: map[string]error{"/proc/20/ns/mnt": unix.EACCES, "/proc/20/mountinfo": unix.EACCES}}
	if got, err := m.scan().run(); err != nil || got.Hidden != 1 {
		t.Errorf("a process that shows nothing: got %+v, %v", got, err)
	}
	for _, path := range []string{"/proc", "/proc/self/mountinfo"} {
		m := &machine{fail: map[string]error{path: unix.EACCES}}
		if got, err := m.scan().run(); !errors.Is(err, unix.EACCES) {
			t.Errorf("%s: got %+v, %v", path, got, err)
		}
	}
}

func TestParseID(t *testing.T) {
	const boot = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
	want := ID{uptime.Boot(boot), 4026531841, 1 << 40}
	if got, ok := ParseID(want.String()); !ok || got != want {
		t.Errorf("%s: got %+v, %v", want, got, ok)
	}
	for _, s := range []string{
		"", boot, boot + ".1", boot + ".1.2.3", boot + ".1.", boot + "..2", boot + ".01.2", boot + ".1.+2", boot + ".-1.2", "x" + boot[1:] + ".1.2",
		boot + ".1.18446744073709551616", boot + ".1.2 ",
	} {
		if _, ok := ParseID(s); ok {
			t.Errorf("%q was accepted", s)
		}
	}
}

// mountsNow returns the mounts that there are.
func mountsNow(t *testing.T) *Mounts {
	t.Helper()
	m, err := Mounted()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestState follows a mount by its ID, which is leased before it is attached, in the
// namespace of the test and as seen from another one.
func TestState(t *testing.T) {
	needMounts(t)
	s := newStore(t, verity.SHA256)
	var ids []ID
	o := Options{Name: "state-" + t.Name(), Lease: func(id ID) func() {
		ids = append(ids, id)
		if slices.Contains(mountsNow(t).Names, "state-"+t.Name()) {
			t.Error("it was attached before it was leased")
		}
		return func() { t.Error("the lease was dropped") }
	}}
	dir := t.TempDir()
	if err := Mount(s.image(sampleTree(s)), s.open(), dir, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	if len(ids) != 1 || ids[0].Mount < firstUnique {
		t.Skipf("SKIPPED: this kernel, older than 6.8, has no unique numbers of mounts: %v", ids)
	}
	id := ids[0]
	other := id
	other.Boot = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
	elsewhere := id
	elsewhere.Namespace = 1
	older := id
	older.Mount = 77
	m := mountsNow(t)
	for id, want := range map[ID]State{id: There, other: Ended, elsewhere: Unknown, older: Unknown} {
		if got := m.State(id); got != want {
			t.Errorf("%s: got %v, want %v", id, got, want)
		}
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	if got := mountsNow(t).State(id); got != Ended {
		t.Errorf("when it has been unmounted: got %v", got)
	}
}

// TestStateElsewhere: a mount of another namespace is there until its namespace, which is
// held open, has it no more; and cannot be told of when nobody is in it.
func TestStateElsewhere(t *testing.T) {
	needMounts(t)
	c := exec.Command("cat")
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skip("SKIPPED: no mount namespace can be made: ", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/mnt", c.Process.Pid), &st); err != nil {
		t.Fatal(err)
	}
	m := mountsNow(t)
	ns, known := m.namespaces[st.Ino]
	if !known || ns == 0 || !listable(ns) {
		t.Skip("SKIPPED: this kernel, older than 6.11, lists no mounts of another namespace")
	}
	id, err := idOf(os.Stdin)
	if err != nil {
		t.Fatal(err)
	}
	id.Namespace = st.Ino
	if got := m.State(id); got != Ended { // it is in this namespace
		t.Errorf("a mount that is not in the namespace: got %v", got)
	}
	in.Close()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := mountsNow(t).State(id); got != Unknown {
		t.Errorf("in a namespace that is not seen: got %v", got)
	}
}

// TestLeaseDropped: a lease is dropped if the mount never became visible.
func TestLeaseDropped(t *testing.T) {
	needMounts(t)
	s := newStore(t, verity.SHA256)
	dir := t.TempDir() + "/dir"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	dropped := 0
	o := Options{Lease: func(ID) func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
		return func() { dropped++ }
	}}
	if err := Mount(s.image(sampleTree(s)), s.open(), dir, o); !errors.Is(err, unix.ENOENT) || dropped != 1 {
		t.Errorf("got %v, and the lease was dropped %d times", err, dropped)
	}
}
