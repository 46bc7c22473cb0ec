// Package fsck checks that a repository is whole: each object is what its name says, each
// name leads to an object, each stream and each EROFS image can be read to its end and has
// all that it refers to, and so has the image of each tag. Repair removes what is damaged,
// so that pulling again makes it anew.
package fsck

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"

	"golang.org/x/sync/errgroup"

	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// Checker reads a whole repository, or what one image needs, and tells what of it is
// damaged.
type Checker struct {
	Repo    *repo.Repo
	Content bool   // read the layers and compare them with their diff IDs
	Image   string // the operand of lookup.Image that is checked alone; "" for all

	one    *oci.Image // that one
	only   *oci.Reach // what it needs; nil for all
	report Report
	bad    map[verity.ID]bool // objects that are damaged or missing
	drop   []entry            // names that must go so that pulling again heals
}

// entry is a first-level name of the repository.
type entry struct {
	category repo.Category
	name     string
}

// Run checks. An error means that the check itself could not be done: it wraps
// fs.ErrNotExist if there is no image of that name.
func (c *Checker) Run() (Report, error) {
	c.one, c.only = nil, nil
	c.report, c.bad, c.drop = Report{}, map[verity.ID]bool{}, nil
	for _, step := range []func() error{c.find, c.objects, c.streams, c.images, c.refs, c.tags} {
		if err := step(); err != nil {
			return c.report, err
		}
	}
	return c.report, nil
}

func (c *Checker) problem(category, path, format string, args ...any) {
	c.report.Problems = append(c.report.Problems, Problem{category, path, fmt.Sprintf(format, args...)})
}

// wants reports whether an object is to be checked.
func (c *Checker) wants(id verity.ID) bool { return c.only == nil || c.only.Has(id) }

// objects checks that each object is what its name says.
func (c *Checker) objects() error {
	var ids []verity.ID
	for id, err := range c.Repo.Objects.List() {
		switch {
		case err == nil && c.wants(id):
			ids = append(ids, id)
		case err != nil && c.only == nil:
			c.problem("object-invalid-name", "objects", "%v", err)
		}
	}
	failures := make([]error, len(ids))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, id := range ids {
		group.Go(func() error {
			_, failures[i] = c.Repo.Objects.Verify(id)
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
	case corrupt.Is(err):
		category = "object-digest-mismatch"
	}
	c.problem(category, "objects/"+id.ObjectPath(), "%v", err)
}

// whole reports whether an object is there and, if it was checked, not damaged.
func (c *Checker) whole(id verity.ID) bool {
	if c.bad[id] {
		return false
	}
	_, err := c.Repo.Objects.Size(id)
	return err == nil
}

// entries calls do with the first-level names of a category and their objects.
func (c *Checker) entries(category repo.Category, do func(name string, id verity.ID) error) error {
	names, err := c.Repo.Names(category)
	if err != nil {
		return err
	}
	for _, name := range names {
		id, err := c.Repo.Lookup(category, name)
		path := fmt.Sprintf("%s/%s", category, name)
		switch {
		case err == nil && !c.wants(id):
			continue
		case err != nil && c.only != nil: // it may be of another image
			continue
		case err != nil:
			c.problem("entry-not-symlink", path, "%v", err)
		case !c.whole(id):
			err = fs.ErrNotExist
			c.problem("broken-symlink", path, "object %s is missing or damaged", id)
			c.drop = append(c.drop, entry{category, name})
		default:
			if err = do(name, id); err != nil {
				c.drop = append(c.drop, entry{category, name})
			}
		}
		if category == repo.Streams {
			c.report.Streams.add(err == nil)
		} else {
			c.report.Images.add(err == nil)
		}
	}
	return nil
}

// streams checks that each stream can be read to its end, and that all it refers to
// is there.
func (c *Checker) streams() error { return c.entries(repo.Streams, c.stream) }

func (c *Checker) stream(name string, id verity.ID) error {
	path := "streams/" + name
	s, closer, err := oci.OpenStream(c.Repo, id)
	if err != nil {
		c.problem("stream-read-failed", path, "%v", err)
		return err
	}
	defer closer.Close()
	damaged := false
	for _, object := range s.Objects {
		if !c.whole(object) {
			c.problem("missing-object-ref", path, "%s", object)
			damaged = true
		}
	}
	for _, ref := range s.Refs {
		if !c.whole(ref.ID) {
			c.problem("missing-named-ref", path, "ref %s: %s", ref.Name, ref.ID)
			damaged = true
		}
	}
	if damaged {
		return fs.ErrNotExist
	}
	if err := c.content(name, s); err != nil {
		c.problem("stream-read-failed", path, "%v", err)
		return err
	}
	return nil
}

// content reads a stream to its end, and a layer's objects too if that is wanted:
// then the layer must have the digest that it is named by.
func (c *Checker) content(name string, s *splitstream.Reader) error {
	kind, key, _ := oci.ParseName(name)
	if !c.Content || kind != oci.KindLayer {
		for {
			if _, _, err := s.Next(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	verifier := key.Verifier()
	open := func(id verity.ID) (io.ReadCloser, error) { return c.Repo.Objects.Open(id) }
	n, err := s.Join(verifier, open)
	switch {
	case err != nil:
		return err
	case !verifier.Verified():
		return corrupt.Errorf("its content has another digest than %s", key)
	case uint64(n) != s.Size:
		return corrupt.Errorf("it has %d bytes, its header says %d", n, s.Size)
	}
	return nil
}

// images checks that each EROFS image is sound and has all objects that it needs.
func (c *Checker) images() error { return c.entries(repo.Images, c.image) }

func (c *Checker) image(name string, id verity.ID) error {
	path := "images/" + name
	if name != id.String() {
		c.problem("image-invalid", path, "leads to the object %s", id)
		return corrupt.Errorf("name")
	}
	image, err := oci.OpenEROFS(c.Repo, id)
	if err == nil {
		_, err = image.Tree()
	}
	if err != nil {
		c.problem("image-invalid", path, "%v", err)
		return err
	}
	var missing error
	err = image.Objects(func(object verity.ID) error {
		if !c.whole(object) {
			c.problem("image-missing-object", path, "%s", object)
			missing = fs.ErrNotExist
		}
		return nil
	})
	if err != nil {
		c.problem("image-invalid", path, "%v", err)
		return err
	}
	return missing
}

// refs checks that each ref leads to a name that leads to an object.
func (c *Checker) refs() error {
	if c.only != nil {
		return nil
	}
	for _, category := range []repo.Category{repo.Streams, repo.Images} {
		for ref, err := range c.Repo.Refs(category, "") {
			path := fmt.Sprintf("%s/refs/%s", category, ref.Name)
			if err != nil {
				c.problem("entry-not-symlink", fmt.Sprintf("%s/refs", category), "%v", err)
				continue
			}
			if _, err := c.Repo.Lookup(category, ref.Target); err != nil {
				c.problem("broken-symlink", path, "%v", err)
			}
		}
	}
	return nil
}
