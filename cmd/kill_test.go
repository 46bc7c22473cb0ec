package cmd

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
)

// TestKillAtEachCall kills a whole pull before a system call by which it changes
// something, each of them in a long test.
func TestKillAtEachCall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	calls := p.countCalls(t, cmdtest.Scratch(t)+"/repo", trap.Any)
	for i, n := range cmdtest.Sample(calls, 8) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			p.killCall(t, repo, n)
			p.recovers(t, repo, i)
		})
	}
}

// TestKillStage kills one stage of the pipe, when it or one beside it is about to
// write a certain record: the records before it have gone through, the other stages
// go on. The exit status of the pipe must tell.
func TestKillStage(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.SmallLayers(t))
	type stage struct {
		writer string
		n      int // the record that it is about to write
		victim string
	}
	var all []stage
	stages := []string{"cfs-fetch", "cfs-import", "cfs-mkerofs", "cfs-link"}
	// Three layers, config and manifest; then also an image; then also a tag.
	writes := []int{5, 5, 6, 7}
	for i, writer := range stages {
		for n := 1; n <= writes[i]; n++ {
			for _, victim := range stages[max(0, i-1):min(i+2, len(stages))] {
				all = append(all, stage{writer, n, victim})
			}
		}
	}
	for _, k := range cmdtest.Sample(len(all), 12) {
		s := all[k-1]
		t.Run(fmt.Sprintf("%s at record %d of %s", s.victim, s.n, s.writer), func(t *testing.T) {
			t.Parallel()
			p.killStage(t, s.writer, s.n, s.victim)
		})
	}
}

func (p *pulled) killStage(t *testing.T, writer string, n int, victim string) {
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	// cfs-pull itself calls cfs-link once before the pipe, here it must not count.
	pipe := "cfs-fetch " + p.source() + " | cfs-import --init --insecure | cfs-mkerofs | cfs-link --tag " + tagName
	written := func(c trap.Call) bool { return c.Tool == writer && c.Nr == unix.SYS_WRITE }
	killed := false
	r := trapped(t, repo, pipe, trap.Only(written, trap.Nth(n, func(c trap.Call) error {
		killed = true
		err := trap.KillTool(c.Group, victim)
		if err == nil && victim == writer {
			return trap.ErrDead
		}
		return err
	})))
	if !killed {
		t.Fatalf("%s wrote fewer than %d records", writer, n)
	}
	tagged := shell(t, repo, "cfs-link show "+tagName).Status == 0
	if r.Status == 0 && !tagged || tagged && r.Status != 0 && !strings.Contains(victim, "cfs-link") && !strings.Contains(writer, "cfs-link") {
		t.Errorf("exit status %d, tagged: %v\n%s", r.Status, tagged, r.Stderr)
	}
	p.recovers(t, repo, n)
}

// TestKillAnyTime kills whole pulls of some size at random times.
func TestKillAnyTime(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	p := undisturbed(t, imagetest.ManyFiles(t))
	random := rand.New(rand.NewPCG(1, 2))
	for n := range cmdtest.Soak(10, 1000) {
		after := time.Duration(random.Float64() * 1.2 * float64(p.took))
		t.Run(fmt.Sprint(n, " after ", after), func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			c := exec.Command("sh", "-c", p.code)
			c.Env = environ(t, repo)
			c.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(after, func() { trap.KillGroup(c.Process.Pid) })
			c.Wait() // its status says nothing here
			timer.Stop()
			p.recovers(t, repo, n)
		})
	}
}

// killCall kills a pull at its n-th call.
func (p *pulled) killCall(t *testing.T, repo string, n int) {
	t.Helper()
	killed := false
	r := trapped(t, repo, p.code, trap.From(n, func(c trap.Call) error {
		killed = true
		return trap.Kill(c)
	}))
	if r.Status == 0 && killed {
		t.Error("it was killed, and ended well")
	}
}
