package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"

	"golang.org/x/sys/unix"
)

// TestFullAtEachCall fails, as a full disk does, a system call of a whole pull, each of
// them in a long test. What fails says so, and the same command succeeds afterwards.
func TestFullAtEachCall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	calls := p.countCalls(t, cmdtest.Scratch(t)+"/repo", trap.Changes)
	for i, n := range cmdtest.Sample(calls, 7) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			failed := ""
			r := trapped(t, repo, p.code, trap.Only(trap.Changes, trap.Nth(n, func(c trap.Call) error {
				failed = c.Tool
				return unix.ENOSPC
			})))
			if failed != "" { // else there were fewer calls this time
				wantError(t, r, 1, failed+": ", "no space left on device")
			}
			p.recovers(t, repo, i)
		})
	}
}

// mountImage makes a file system of some MiB and mounts it.
func mountImage(t *testing.T, mebibytes int, options string) (dir, device string) {
	t.Helper()
	base := cmdtest.Scratch(t)
	dir, device = base+"/mnt", base+"/disk"
	needMount(t, "mkfs.ext4")
	must(t, "", fmt.Sprintf("truncate -s %dM %s && mkfs.ext4 -q -m 0 %s && mkdir %s", mebibytes, device, device, dir))
	if r := shell(t, "", "mount -o loop,"+options+" "+device+" "+dir); r.Status != 0 {
		t.Skipf("SKIPPED: no loop device can be mounted here: %s", r.Stderr)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir, device
}

// needMount skips a test where nothing can be mounted, or programs are missing.
func needMount(t *testing.T, programs ...string) {
	t.Helper()
	cmdtest.Slow(t)
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can mount")
	}
	for _, name := range append(programs, "mount") {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIPPED: %v", err)
		}
	}
}

// fill takes the free space of a file system but for some bytes, which come free
// again when the file that it returns is removed.
func fill(t *testing.T, dir string, but int64) (filler string) {
	t.Helper()
	filler = dir + "/filler"
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zeros := make([]byte, 1<<20)
	for size := len(zeros); size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(zeros[:size])
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	end, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		err = f.Truncate(max(0, end-but))
	}
	if err = errors.Join(err, f.Sync()); err != nil {
		t.Fatal(err)
	}
	return filler
}

// TestFullDisk lets the disk be full at each stage in turn.
func TestFullDisk(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.ManyFiles(t))
	source := p.source()
	stages := []string{
		"cfs-fetch " + source,
		"cfs-import --init --insecure --progress none",
		"cfs-mkerofs",
		"cfs-link --tag " + tagName,
	}
	free := []int64{1: 1 << 20, 2: 0, 3: 0}
	for full, want := range []string{1: "cfs-import: layer sha256:", 2: "cfs-mkerofs: manifest sha256:", 3: "cfs-link: config sha256:"} {
		if want == "" {
			continue
		}
		t.Run(strings.Fields(stages[full])[0], func(t *testing.T) {
			dir, _ := mountImage(t, 32, "rw")
			repo, records := dir+"/repo", filepath.Join(t.TempDir(), "records")
			must(t, repo, strings.Join(stages[:full], " | ")+" > "+records)
			filler := fill(t, dir, free[full])
			r := shell(t, repo, strings.Join(append([]string{"cat " + records}, stages[full:]...), " | "))
			wantError(t, r, 1, want, "no space left on device")
			if strings.Count(r.Stderr, "\n") != 1 || strings.Contains(r.Stdout, "manifest ") {
				t.Errorf("said more than one stage's error:\n%s%s", r.Stdout, r.Stderr)
			}
			p.sound(t, repo)
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			p.recovers(t, repo, 0)
		})
	}
}

// What is full can be emptied.
func TestCollectFullDisk(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.ManyFiles(t))
	dir, _ := mountImage(t, 32, "rw")
	repo := dir + "/repo"
	must(t, repo, p.code)
	fill(t, dir, 0)
	wantNothing(t, repo)
}

func TestReadOnlyRepository(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	dir, _ := mountImage(t, 32, "rw")
	repo := dir + "/repo"
	must(t, repo, p.code+" && cfs-link show "+tagName+" > "+dir+"/records")
	must(t, "", "mount -o remount,ro "+dir)
	for _, code := range []string{
		p.code,
		"cfs-import < " + dir + "/records",
		"cfs-mkerofs < " + dir + "/records",
		"cfs-link --tag x < " + dir + "/records",
		"cfs-link tag " + tagName + " x",
		"cfs-link untag " + tagName,
		"cfs-gc",
		"cfs-gc check --repair",
	} {
		wantError(t, shell(t, repo, code), 1, "repository "+repo+" cannot be written: read-only file system")
	}
	wantError(t, shell(t, dir+"/new", p.code), 1, "cfs-import: init repository: ", "read-only file system")
	// What only reads works.
	p.sound(t, repo)
	must(t, repo, "cfs-gc --dry-run && cfs-link ls && cfs-link why "+p.digest(t, "config"))
}

// TestUnwritableRepository lets somebody write who may not.
func TestUnwritableRepository(t *testing.T) {
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	base := cmdtest.Scratch(t)
	repo := base + "/repo"
	must(t, repo, p.code)
	if err := errors.Join(os.Chmod(base, 0o755), os.Chmod(repo, 0o555)); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{
		"cfs-import --init --insecure < /dev/null",
		"echo config - | cfs-mkerofs",
		"echo config - | cfs-link --tag x",
		"cfs-link untag " + tagName,
		"cfs-gc --keep 0",
	} {
		r := shellAsNobody(t, repo, code)
		wantError(t, r, 1, "repository "+repo+" cannot be written: permission denied")
	}
	if r := shellAsNobody(t, repo, "cfs-gc check && cfs-link show "+tagName); r.Status != 0 || !strings.HasSuffix(r.Stdout, p.shown[0]) {
		t.Errorf("reading: exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	if r := shellAsNobody(t, base+"/new", "cfs-import --init --insecure < /dev/null"); os.Geteuid() == 0 {
		wantError(t, r, 1, "cfs-import: init repository: mkdir "+base+"/new: permission denied")
	}
	if err := os.Chmod(repo, 0o755); err != nil {
		t.Fatal(err)
	}
	p.sound(t, repo)
	wantNothing(t, repo)
}

// shellAsNobody is shell for a user who has no privilege.
func shellAsNobody(t *testing.T, repo, code string) result {
	t.Helper()
	c := exec.Command("sh", "-c", code)
	c.Env = environ(t, repo)
	c.Dir = "/"
	if os.Geteuid() == 0 {
		const nobody = 65534
		c.SysProcAttr = &unix.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmdtest.Run(t, c)
}

// TestWithoutTmpfile pulls, and is killed, where files without a name cannot be made.
func TestWithoutTmpfile(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	without := func(before trap.Before) trap.Before {
		return func(c trap.Call) error {
			if c.Tmpfile == "" {
				return before(c)
			}
			if _, err := os.Stat(c.Tmpfile); err != nil {
				return unix.ENOENT
			}
			return unix.EOPNOTSUPP
		}
	}
	calls := 0
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	r := trapped(t, repo, p.code, without(trap.Count(&calls)))
	if r.Status != 0 || r.Stdout != p.records {
		t.Fatalf("exit status %d, records\n%s\nwant\n%s\n%s", r.Status, r.Stdout, p.records, r.Stderr)
	}
	p.sound(t, repo)
	wantNothing(t, repo)
	for i, n := range cmdtest.Sample(calls, 4) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			trapped(t, repo, p.code, without(trap.From(n, trap.Kill)))
			p.recovers(t, repo, i)
		})
	}
}

// TestPowerCut takes away, at a system call of a pull, all that is not on the disk yet.
// What has a name then is whole, and what a record said to be stored is there.
func TestPowerCut(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	calls := p.countCalls(t, cmdtest.Scratch(t)+"/repo", trap.Any)
	for i, n := range cmdtest.Sample(calls+1, 4) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir, device := mountImage(t, 16, "commit=1000")
			r := trapped(t, dir+"/repo", p.code, trap.From(n, trap.Kill))
			repo := afterCut(t, dir, device)
			if r.Status == 0 && shell(t, repo, "cfs-link show "+tagName).Status != 0 {
				t.Error("the pull was complete, and there is no tag")
			}
			p.survives(t, repo, i)
		})
	}
}

// TestPowerCutAfterRecords cuts the power when cfs-import has written some records.
func TestPowerCutAfterRecords(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	for n := cmdtest.Soak(1, 0); n < 4; n += cmdtest.Soak(2, 1) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir, device := mountImage(t, 16, "commit=1000")
			finished := p.importSome(t, dir+"/repo", n)
			repo := afterCut(t, dir, device)
			must(t, repo, "cfs-gc --allow-empty && cfs-gc check --content")
			for _, line := range finished {
				must(t, repo, "cfs-import show "+parseRecord(t, line).Get("diff-id"))
			}
			p.survives(t, repo, 0)
		})
	}
}

// afterCut mounts what of a mounted image is on the disk now.
func afterCut(t *testing.T, dir, device string) (repo string) {
	t.Helper()
	after := filepath.Join(cmdtest.Scratch(t), "after")
	must(t, "", "cp --sparse=always "+device+" "+after+".disk && mkdir "+after+" && mount -o loop "+after+".disk "+after)
	t.Cleanup(func() { unix.Unmount(after, unix.MNT_DETACH) })
	return after + "/repo"
}

// survives is recovers for what the power was taken from. Then objects that nothing
// refers to may be incomplete: they are collected or written anew.
func (p *pulled) survives(t *testing.T, repo string, how int) {
	t.Helper()
	if shell(t, repo, "cfs-link show "+tagName).Status == 0 {
		must(t, repo, "cfs-gc check --content "+tagName)
	}
	if _, err := os.Lstat(repo + "/meta.json"); err == nil && how%3 > 0 && collect(t, repo, how%3 == 1) {
		p.sound(t, repo)
	}
	p.pullAgain(t, repo)
}
