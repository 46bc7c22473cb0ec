package cmd

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/trap"
	"cfs/cmd/internal/writelog"
)

// powerGuestEnv names, in the virtual machine, the disks on which TestPowerGuest works.
const powerGuestEnv = "CFS_TEST_POWER_GUEST"

// TestPowerGuest is the part of TestPowerLog that runs in the virtual machine: it pulls,
// tags, collects, is killed and does the same again on disks whose writes are logged. After
// each promise it writes a mark to the disk, so that the log says when it was given.
func TestPowerGuest(t *testing.T) {
	disks := os.Getenv(powerGuestEnv)
	if disks == "" {
		t.Skip("SKIPPED: it is run by TestPowerLog, in a virtual machine")
	}
	for _, name := range strings.Fields(disks) {
		d := powerDisks[name]
		t.Run(name, func(t *testing.T) { newGuest(t, name, d).run() })
	}
}

// guest writes to one disk.
type guest struct {
	*testing.T
	repo    string
	options string // of cfs-import
	disk    *os.File
	block   []byte // a page, as direct writes need one
	marks   sync.Mutex
}

func newGuest(t *testing.T, name string, d powerDisk) *guest {
	t.Helper()
	mount := t.TempDir()
	must(t, "", fmt.Sprintf("mount -t %s /dev/disk/%s %s", d.fs, name, mount))
	disk, err := os.OpenFile("/dev/disk/"+name, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		t.Fatal(err)
	}
	block, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		disk.Close()
		if err := unix.Unmount(mount, 0); err != nil {
			t.Error(err)
		}
	})
	g := &guest{T: t, repo: mount + "/repo", options: "--init --progress none", disk: disk, block: block}
	if !d.secure {
		g.options += " --insecure"
	}
	return g
}

// run is all that happens to the disk.
func (g *guest) run() {
	g.mark("start")
	g.pull("a", "web")
	g.pull("b", "web")
	g.killed("c", "web")
	g.mark("untag web") // from here on the tag may be gone
	must(g, g.repo, "cfs-link untag web")
	must(g, g.repo, "cfs-gc --keep 0 --allow-empty")
	g.mark("gc")
	end := g.disturb()
	g.pull("c", "web")
	g.pull("d", "other")
	end()
	g.mark("end")
	must(g, g.repo, "cfs-gc check --content")
}

// disturb makes the file system busy: somebody else flushes a file of theirs again and again,
// and the kernel writes back early.
func (g *guest) disturb() (end func()) {
	for name, value := range map[string]string{"dirty_writeback_centisecs": "20", "dirty_expire_centisecs": "10"} {
		if err := os.WriteFile("/proc/sys/vm/"+name, []byte(value), 0o644); err != nil {
			g.Fatal(err)
		}
	}
	done := make(chan struct{})
	var other sync.WaitGroup
	other.Go(func() {
		f, err := os.Create(g.repo + ".other")
		for tick := time.NewTicker(100 * time.Millisecond); err == nil; {
			select {
			case <-done:
				f.Close()
				return
			case <-tick.C:
				if _, err = f.WriteString("x\n"); err == nil {
					err = f.Sync()
				}
			}
		}
		g.Error(err)
	})
	return func() { close(done); other.Wait() }
}

// mark writes a mark behind the file system.
func (g *guest) mark(text string) {
	g.marks.Lock()
	defer g.marks.Unlock()
	clear(g.block)
	copy(g.block, writelog.Mark(text))
	if _, err := g.disk.WriteAt(g.block, powerMarkAt); err != nil {
		g.Fatal(err)
	}
}

// stages are those that write to the repository.
func (g *guest) stages(tag string) []string {
	return []string{"cfs-import " + g.options, "cfs-mkerofs", "cfs-link --tag " + tag}
}

// pull pulls an image stage by stage.
func (g *guest) pull(image, tag string) {
	g.Helper()
	records := g.fetch(image)
	for _, stage := range g.stages(tag) {
		records = g.stage(stage, records)
	}
}

// fetch begins a pull: what is pulled from then on can be pulled again.
func (g *guest) fetch(image string) (records string) {
	g.mark("pull " + image)
	return must(g, g.repo, "cfs-fetch oci:"+powerImages+"/"+image)
}

// stage runs one, and marks what each of its records promises, as the record comes.
func (g *guest) stage(code, input string) string {
	g.Helper()
	c := exec.Command("sh", "-c", code)
	c.Env, c.Stdin, c.Stderr = environ(g, g.repo), strings.NewReader(input), os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		g.Fatal(err)
	}
	if err := c.Start(); err != nil {
		g.Fatal(err)
	}
	records := g.promised(out)
	if err := c.Wait(); err != nil {
		g.Fatalf("%s: %v", code, err)
	}
	return records
}

// promised marks what records promise: a name, or a tag.
func (g *guest) promised(in io.Reader) string {
	var all strings.Builder
	for lines := bufio.NewScanner(in); lines.Scan(); {
		rec := parseRecord(g, lines.Text())
		switch {
		case rec.Kind == "layer" && rec.Get("stream") != "":
			g.mark("name streams/oci-layer-" + rec.Get("diff-id"))
		case rec.Kind == "image":
			g.mark("name images/" + rec.Digest)
		case rec.Kind == "tag":
			g.mark("tag " + rec.Get("name") + " " + rec.Digest)
		}
		fmt.Fprintln(&all, lines.Text())
	}
	return all.String()
}

// killed kills each stage of a pull at some of its calls, and runs it again each time. The
// one that ends promises also what those before it have left.
func (g *guest) killed(image, tag string) {
	g.Helper()
	in := cmdtest.Scratch(g) + "/records"
	records := g.fetch(image)
	for _, stage := range g.stages(tag) {
		if err := os.WriteFile(in, []byte(records), 0o644); err != nil {
			g.Fatal(err)
		}
		for n := 1; ; n += cmdtest.Soak(9, 2) {
			killed := false
			trapped(g, g.repo, stage+" <"+in, trap.From(n, func(c trap.Call) error {
				killed = true
				return trap.Kill(c)
			}))
			if !killed {
				break
			}
		}
		records = g.stage(stage, records)
	}
}
