package fsck_test

import (
	"testing"

	"cfs/lib/fsck"
	"cfs/lib/internal/repotest"
)

// TestAgain: a Checker can be used again, also after a repair; what it found before means
// nothing then.
func TestAgain(t *testing.T) {
	f := newFixture(t)
	repotest.Flip(t, f.Repo, f.file, 0)
	c := &fsck.Checker{}
	first, problems := f.check(c)
	again, same := f.check(c)
	repotest.WantLines(t, same, problems...)
	if again.Objects != first.Objects || again.Tags != first.Tags {
		t.Errorf("counts %+v, then %+v", first, again)
	}
	objects, names, err := c.Repair()
	if objects != 1 || names != 2 || err != nil {
		t.Errorf("repaired %d objects and %d names, %v", objects, names, err)
	}
	f.pull()
	if _, problems := f.check(c); problems != nil {
		t.Errorf("not healed: %q", problems)
	}
	c.Images = []string{"b"}
	if report, problems := f.check(c); problems != nil || report.Objects.Total != 7 {
		t.Errorf("of one: %+v, %q", report, problems)
	}
	c.Images = nil
	if report, _ := f.check(c); report.Objects.Total != 14 {
		t.Errorf("of all again: %+v", report)
	}
}
