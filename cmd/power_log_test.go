package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// powerDisk is a file system whose writes are logged.
type powerDisk struct {
	fs     string
	secure bool   // what is pulled needs fs-verity
	verity bool   // the file system has it, so files have it where that can be
	mkfs   string // the command, for a file and how many bytes of it are the file system's
	states int    // that are tried in a long test
	few    int    // and in another one
}

// All disks have one size, and marks are written to its end.
const (
	powerSize   = 321 << 20
	powerMarkAt = powerSize - 1<<20
)

const mkfsExt4 = "mkfs.ext4 -q -F -b 4096 -m 0 -J size=8 -E lazy_itable_init=0,lazy_journal_init=0,nodiscard -O %sverity %%s $((%%d / 1024))k"

var powerDisks = map[string]powerDisk{
	"ext4":        {"ext4", false, false, fmt.Sprintf(mkfsExt4, "^"), 1000, 20},
	"xfs":         {"xfs", false, false, "mkfs.xfs -q -K %s -d size=%d", 700, 0},
	"btrfs":       {"btrfs", false, true, "mkfs.btrfs -q -K -m single %s -b %d", 200, 0},
	"ext4verity":  {"ext4", true, true, fmt.Sprintf(mkfsExt4, ""), 100, 0},
	"btrfsverity": {"btrfs", true, true, "mkfs.btrfs -q -K -m single %s -b %d", 100, 0},
}

// TestPowerLog cuts the power at writes of a real file system: a virtual machine pulls, tags
// and collects on a disk whose writes and flushes are logged, and what the log says could be
// on the disk is mounted and checked. File systems with fs-verity are checked in a second
// virtual machine: this kernel may have none.
func TestPowerLog(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	var names, inVM []string
	for name, d := range powerDisks {
		if cmdtest.Soak(d.few, d.states) == 0 {
			continue
		}
		needMount(t, "mkfs."+d.fs)
		names = append(names, name)
		if d.verity {
			inVM = append(inVM, name)
		}
	}
	slices.Sort(names)
	slices.Sort(inVM)
	share := cmdtest.Scratch(t)
	preparePower(t, share)
	recordPower(t, share, names)
	for _, name := range names {
		if d := powerDisks[name]; !d.verity {
			t.Run(name, func(t *testing.T) { replayPower(t, share, name) })
			os.Remove(share + "/" + name + ".log")
			os.Remove(share + "/" + name + ".disk")
		}
	}
	if len(inVM) > 0 {
		runInVM(t, share, 7200, powerReplayEnv+"="+strings.Join(inVM, " "), "TestPowerReplay", "--module", "btrfs", "--mem", "1536")
	}
}

// powerImages is where the images are that are pulled in the virtual machine.
const powerImages = "/share/images"

// preparePower makes what the virtual machine needs: the tools, this test, and images that
// share some of their layers.
func preparePower(t *testing.T, share string) {
	t.Helper()
	if out, err := exec.Command("../scripts/verity-vm", "--prepare").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, and so no power is cut at writes of a disk: scripts/verity-vm --prepare: %v\n%s", err, out)
	}
	must(t, "", "cp -r "+cmdtest.Tools(t)+" "+share+"/tools && CGO_ENABLED=0 go test -c -ldflags '-s -w' -o "+share+"/cmd.test .")
	for i, name := range []string{"a", "b", "c", "d"} {
		var layers [][]byte
		for n := range 3 {
			seed := uint64(10*i + n)
			if n == 0 && i%2 == 1 {
				seed = uint64(10 * (i - 1)) // one that the image before has too
			}
			members := []imagetest.Member{imagetest.Dir("usr", 0o755)}
			for k, size := range []int{40, 500, 5000, 70_000, 400_000} {
				members = append(members, imagetest.File(fmt.Sprintf("usr/%d-%d", n, k), imagetest.Noise(seed<<4+uint64(k), size)))
			}
			layers = append(layers, imagetest.Tar(t, members...))
		}
		imagetest.Make(t, share+"/images/"+name, layers...)
	}
}

// recordPower makes the disks, keeps a copy of each as NAME.disk, and lets the virtual
// machine write to them, of which NAME.log is made.
func recordPower(t *testing.T, share string, names []string) {
	t.Helper()
	disks := cmdtest.Scratch(t)
	options := []string{"--module", "btrfs", "--module", "xfs", "--env", "CFS_SOAK=" + os.Getenv("CFS_SOAK")}
	for _, name := range names {
		disk := disks + "/" + name
		must(t, "", fmt.Sprintf("truncate -s %d %s && "+powerDisks[name].mkfs, powerSize, disk, disk, powerMarkAt))
		must(t, "", "cp --sparse=always "+disk+" "+share+"/"+name+".disk")
		options = append(options, "--drive", name+"="+disk+","+disk+".log")
	}
	// The share is copied into the machine: the disks as they were are not needed there yet.
	hidden := cmdtest.Scratch(t)
	must(t, "", fmt.Sprintf("mv %s/*.disk %s", share, hidden))
	runInVM(t, share, 600*len(names), powerGuestEnv+"="+strings.Join(names, " "), "TestPowerGuest", options...)
	must(t, "", fmt.Sprintf("mv %s/*.disk %s/*.log %s", hidden, disks, share))
}

// runInVM runs one test of this package in a virtual machine, for some seconds at most.
func runInVM(t *testing.T, share string, seconds int, env, test string, options ...string) {
	t.Helper()
	vm := exec.Command("../scripts/verity-vm", slices.Concat(options, []string{
		"--share", share, "--cpus", "1", "--timeout", fmt.Sprint(seconds), "--env", cmdtest.ToolsEnv + "=/share/tools", "--env", "TMPDIR=/scratch", "--env", env,
		"--", "/share/cmd.test", "-test.v", "-test.timeout", "6h", "-test.run", "^" + test + "$"})...)
	r := cmdtest.Run(t, vm)
	t.Logf("%s in the virtual machine: exit status %d\n%s%s", test, r.Status, r.Stdout, r.Stderr)
	if r.Status != 0 || !strings.Contains(r.Stdout, "--- PASS: "+test+" ") {
		t.Fatalf("%s did not pass in the virtual machine", test)
	}
}
