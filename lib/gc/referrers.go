package gc

import (
	"errors"
	"io/fs"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
)

// followReferrers follows the refs of artifacts whose images are reached, until no further one
// is: an artifact can have artifacts of its own. The rest is to go; it returns how many these
// are. None of them counts as a root.
func (c *Collector) followReferrers() (gone int, err error) {
	roots := c.roots
	defer func() { c.roots = roots }()
	waiting := c.referrers
	for followed := true; followed; {
		followed = false
		var later []repo.Ref
		for _, ref := range waiting {
			reached, err := c.subjectReached(ref)
			if err != nil {
				return 0, err
			}
			if !reached {
				later = append(later, ref)
				continue
			}
			if err := c.addRoot(repo.Streams, ref); err != nil {
				return 0, err
			}
			followed = true
		}
		waiting = later
	}
	for _, ref := range waiting {
		c.drop = append(c.drop, link{repo.Streams, true, ref.Name})
	}
	return len(waiting), nil
}

// subjectReached reports whether the image is reached to which the artifact of a ref belongs.
func (c *Collector) subjectReached(ref repo.Ref) (bool, error) {
	subject, _ := oci.SubjectOf(ref)
	if subject.Validate() != nil {
		return false, nil
	}
	id, err := c.Repo.Lookup(repo.Streams, oci.ManifestName(subject))
	switch {
	case errors.Is(err, fs.ErrNotExist), corrupt.Is(err): // there is none, or it is no name of an object
		return false, nil
	case err != nil:
		return false, err
	}
	return c.reach.Has(id), nil
}
