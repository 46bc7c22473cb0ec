// Package fsck checks the integrity of a repository: each object matches its name, each name
// refers to an object, each stream and each EROFS image is readable with everything it refers to,
// and the image of each tag is complete. Repair removes damaged data, so that pulling again
// restores it.
//
// Damage is what is certain: wrong bytes, missing data, content that the kernel refuses
// repeatedly (corrupt.IsDamage). Any other error ends the check without a result, and nothing is
// repaired: a file that could not be opened this time may be intact.
package fsck

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"golang.org/x/sync/errgroup"

	"cfs/lib/corrupt"
	"cfs/lib/objects"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// Checker reads a whole repository, or what some images need, and tells what of it is
// damaged.
type Checker struct {
	Repo    *repo.Repo
	Content bool     // read all objects, and compare the layers with their diff IDs
	Images  []string // the operands of lookup.Image that are checked alone; none for all

	some   []*oci.Image // these
	only   *oci.Reach   // what they need; nil for all
	report Report
	bad    map[verity.ID]bool   // objects that are damaged or missing
	flaws  map[verity.ID]string // streams and EROFS images that were read, and what is wrong with them; "" for nothing
	drop   []entry              // names that must go so that pulling again heals
	failed error                // the first error that is no damage
}

// entry is a first-level name of the repository.
type entry struct {
	category repo.Category
	name     string
}

// Run checks. An error means that the check could not be done to its end: something could
// not be read, which says nothing about it, and Repair does nothing. It wraps fs.ErrNotExist
// if there is no image of that name.
func (c *Checker) Run() (Report, error) {
	c.some, c.only, c.failed = nil, nil, nil
	c.report, c.bad, c.flaws, c.drop = Report{NoMeta: c.Repo.NoMeta}, map[verity.ID]bool{}, map[verity.ID]string{}, nil
	for _, step := range []func() error{c.find, c.objects, c.streams, c.images, c.refs, c.tags} {
		if err := step(); err != nil {
			c.fail(err)
		}
		if c.failed != nil {
			return c.report, c.failed
		}
	}
	return c.report, nil
}

func (c *Checker) problem(category, path, format string, args ...any) {
	c.report.Problems = append(c.report.Problems, Problem{category, record.Text(path), record.Text(fmt.Sprintf(format, args...))})
}

// damage records an error as a problem if it is about damage. If not, the check fails with
// it.
func (c *Checker) damage(category, path string, err error) {
	if corrupt.IsDamage(err) {
		c.problem(category, path, "%v", err)
	} else {
		c.fail(fmt.Errorf("%s: %w", path, err))
	}
}

// fail ends the check with the first error that is not about damage.
func (c *Checker) fail(err error) { c.failed = cmp.Or(c.failed, err) }

// wants reports whether an object is to be checked.
func (c *Checker) wants(id verity.ID) bool { return c.only == nil || c.only.Has(id) }

// objects checks that each object is what its name says.
func (c *Checker) objects() error {
	var ids []verity.ID
	for id, err := range c.Repo.Objects.List() {
		stray, isStray := errors.AsType[*objects.Stray](err)
		switch {
		case isStray && !stray.ID.IsZero() && c.wants(stray.ID):
			c.object(stray.ID, corrupt.Errorf("%w", objects.ErrNotRegular))
		case isStray:
			if c.only == nil {
				c.problem("object-invalid-name", "objects", "%v", err)
			}
		case err != nil:
			return err
		case c.wants(id):
			ids = append(ids, id)
		}
	}
	verify := c.Repo.Objects.Verify
	if c.Content {
		verify = c.Repo.Objects.VerifyContent
	}
	failures := make([]error, len(ids))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, id := range ids {
		group.Go(func() error {
			_, failures[i] = verify(id)
			return nil
		})
	}
	group.Wait()
	for i, err := range failures {
		c.object(ids[i], err)
	}
	return nil
}

// object counts an object, and what is wrong with it if err is not nil.
func (c *Checker) object(id verity.ID, err error) {
	c.report.Objects.add(err == nil)
	if err == nil {
		return
	}
	c.bad[id] = true
	category := "object-open-failed"
	switch {
	case errors.Is(err, verity.ErrNotEnabled):
		category = "object-verity-missing"
	case errors.Is(err, objects.ErrNotRegular):
	case corrupt.Is(err):
		category = "object-digest-mismatch"
	}
	c.damage(category, "objects/"+id.ObjectPath(), err)
}

// whole reports whether an object is there and, if it was checked, not damaged. If that
// cannot be told, the check fails.
func (c *Checker) whole(id verity.ID) bool {
	if c.bad[id] {
		return false
	}
	_, err := c.Repo.Objects.Size(id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.fail(err)
	}
	return err == nil
}
