package cmd

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/trap"
)

// melee is a repository in which many commands run at once.
type melee struct {
	*testing.T
	repo    string
	layouts map[string]string
	dumps   map[string]string // of the images, by layout
	mutex   sync.Mutex
	ended   map[string]int // how often a command ended with a status
}

var meleeImages = []string{"a", "b", "c", "d", "e", "f", "g", "h"}

// TestRaceMelee: eight pulls, two collections and two checks at once, while tags come and go
// and other pulls are killed. Nothing that is tagged is lost, whole things are not called
// damaged, and what fails is worth trying again.
func TestRaceMelee(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newMelee(t)
	rounds := cmdtest.Soak(2, 60)
	var all sync.WaitGroup
	loop := func(n int, do func(i int)) {
		all.Go(func() {
			for i := range n {
				do(i)
			}
		})
	}
	for _, image := range meleeImages {
		loop(rounds, func(int) { s.pull(image) })
	}
	for i := range 2 {
		loop(4*rounds, func(int) { s.run("cfs-gc --timeout 60s", 0) })
		loop(4*rounds, func(int) { s.run("cfs-gc check --timeout 60s"+[]string{"", " --content"}[i], 0) })
	}
	loop(4*rounds, func(i int) { s.run("cfs-link untag "+meleeImages[2+i%6], 0, 3) })
	loop(4*rounds, func(i int) {
		s.run("cfs-link tag "+meleeImages[i%8]+" second", 0, 3, 75)
		s.run("cfs-link show second", 0, 3)
	})
	loop(4*rounds, s.killed)
	all.Wait()
	s.settled()
	total := 0
	for _, n := range s.ended {
		total += n
	}
	t.Logf("%d commands tried, failed: %v: %v", total, t.Failed(), s.ended)
}

func newMelee(t *testing.T) *melee {
	t.Helper()
	s := &melee{T: t, repo: cmdtest.Scratch(t) + "/repo", layouts: map[string]string{}, dumps: map[string]string{}, ended: map[string]int{}}
	for i, image := range meleeImages {
		file := func(name string, size int) imagetest.Member {
			return imagetest.File("usr/"+name, imagetest.Text(uint64(100*i+size), size))
		}
		s.layouts[image] = t.TempDir()
		imagetest.Make(t, s.layouts[image],
			imagetest.Tar(t, imagetest.Dir("usr", 0o755), imagetest.File("usr/shared", imagetest.Text(uint64(i/2), 7000))),
			imagetest.Tar(t, file("x", 300), file("y", 5000), file("z", 90_000)))
		must(t, s.repo+image, s.pullCode(image, image))
		s.dumps[image] = must(t, s.repo+image, "cfs-mkerofs dump "+image)
	}
	must(t, s.repo, s.pullCode("a", "keep"))
	return s
}

func (s *melee) pullCode(image, tag string) string {
	return "cfs-pull --init --insecure --timeout 60s --progress none oci:" + s.layouts[image] + " " + tag
}

// run runs a command that may end with some statuses. To wait too long for a lock is one.
func (s *melee) run(code string, fine ...int) result {
	r := shell(s, s.repo, code)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	words := strings.Fields(code)
	s.ended[fmt.Sprintf("%s %s: %d", words[0], words[1], r.Status)]++
	if !slices.Contains(append(fine, 5), r.Status) || strings.Contains(r.Stderr, "goroutine ") {
		s.Errorf("%s: exit status %d\n%s%s", code, r.Status, r.Stdout, r.Stderr)
	}
	return r
}

// pull pulls an image. The tags a and b stay, so they have the files of theirs.
func (s *melee) pull(image string) {
	if r := s.run(s.pullCode(image, image), 0, 75); r.Status == 0 && image < "c" {
		if r := s.run("cfs-mkerofs dump "+image, 0); r.Status == 0 && r.Stdout != s.dumps[image] {
			s.Errorf("%s has other files", image)
		}
	}
}

// killed is a pull that is killed at some time.
func (s *melee) killed(i int) {
	c := exec.Command("sh", "-c", s.pullCode(meleeImages[i%8], "killed"))
	c.Env = environ(s, s.repo)
	c.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		s.Error(err)
		return
	}
	timer := time.AfterFunc(time.Duration(20+30*(i%10))*time.Millisecond, func() { trap.KillGroup(c.Process.Pid) })
	c.Wait() // its status says nothing here
	timer.Stop()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.ended["cfs-pull killed"]++
}

// settled checks what is there when all has ended.
func (s *melee) settled() {
	must(s, s.repo, "cfs-gc check --content")
	for tag, image := range map[string]string{"keep": "a", "a": "a", "b": "b"} {
		if image == tag && shell(s, s.repo, "cfs-link show "+tag).Status == 3 {
			must(s, s.repo, s.pullCode(image, tag)) // each of its pulls has ended with 75
		}
		if must(s, s.repo, "cfs-mkerofs dump "+tag) != s.dumps[image] {
			s.Errorf("%s has other files", tag)
		}
	}
	must(s, s.repo, "cfs-gc --keep 0 && cfs-gc check --content && for tag in $(cfs-link ls | cut -f1); do cfs-link untag $tag; done && cfs-gc --keep 0 --allow-empty")
}
