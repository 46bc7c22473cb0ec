package fsck

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"cfs/lib/corrupt"
	"cfs/lib/objects"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/verity"
)

// entries calls isGood with the first-level names of a category and their objects, and
// counts them.
func (c *Checker) entries(category repo.Category, count *Count, isGood func(name string, id verity.ID) bool) error {
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
		case corrupt.Is(err) && c.only != nil: // it may be of another image
			continue
		case err != nil:
			c.damage("entry-not-symlink", path, err)
			count.add(false)
			continue
		}
		good := c.whole(id)
		if !good {
			c.problem("broken-symlink", path, "object %s is missing or damaged", id)
		} else {
			good = isGood(name, id)
		}
		if !good {
			c.drop = append(c.drop, entry{category, name})
		}
		count.add(good)
	}
	return nil
}

// streams checks that each stream can be read to its end, and that all it refers to
// is there.
func (c *Checker) streams() error {
	return c.entries(repo.Streams, &c.report.Streams, c.stream)
}

func (c *Checker) stream(name string, id verity.ID) (good bool) {
	path := "streams/" + name
	s, closer, err := oci.OpenStream(c.Repo, id)
	if err != nil {
		return c.unreadable("stream-read-failed", path, id, err)
	}
	defer closer.Close()
	var lacking []verity.ID
	for _, object := range s.Objects {
		if !c.whole(object) {
			c.problem("missing-object-ref", path, "%s", object)
			lacking = append(lacking, object)
		}
	}
	for _, ref := range s.Refs {
		if !c.whole(ref.ID) {
			c.problem("missing-named-ref", path, "ref %s: %s", ref.Name, ref.ID)
			lacking = append(lacking, ref.ID)
		}
	}
	if len(lacking) > 0 {
		return c.lacks(id, lacking)
	}
	if err := c.content(name, s); err != nil {
		return c.unreadable("stream-read-failed", path, id, err)
	}
	return c.lacks(id, nil)
}

// unreadable records what keeps a stream or an EROFS image from being read.
func (c *Checker) unreadable(category, path string, id verity.ID, err error) (good bool) {
	c.flaws[id] = err.Error()
	c.damage(category, path, err)
	return false
}

// lacks records which objects a stream or an EROFS image lacks.
func (c *Checker) lacks(id verity.ID, objects []verity.ID) (good bool) {
	switch n := len(objects); n {
	case 0:
		c.flaws[id] = ""
	case 1:
		c.flaws[id] = fmt.Sprintf("lacks the object %s", objects[0])
	default:
		c.flaws[id] = fmt.Sprintf("lacks %d objects, first %s", n, objects[0])
	}
	return len(objects) == 0
}

// content reads a stream to its end. A manifest or config, and a layer too if that is wanted,
// must have the digest that it is named by.
func (c *Checker) content(name string, s *splitstream.Reader) error {
	kind, key, named := oci.ParseName(name)
	if !named || !c.Content && kind == oci.KindLayer {
		for {
			if _, _, err := s.Next(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	digester := key.Algorithm().Digester()
	open := func(id verity.ID) (io.ReadCloser, error) { return c.Repo.Objects.Open(id) }
	n, err := s.Join(digester.Hash(), open)
	switch {
	case err != nil:
		return err
	case digester.Digest() != key:
		return corrupt.Errorf("its content has the digest %s, not %s", digester.Digest(), key)
	case uint64(n) != s.Size:
		return corrupt.Errorf("it has %d bytes, its header says %d", n, s.Size)
	}
	return nil
}

// images checks that each EROFS image is sound and has all objects that it needs.
func (c *Checker) images() error { return c.entries(repo.Images, &c.report.Images, c.image) }

func (c *Checker) image(name string, id verity.ID) (good bool) {
	path := "images/" + name
	if name != id.String() {
		c.problem("image-invalid", path, "points to the object %s", id)
		return false
	}
	image, err := oci.OpenEROFS(c.Repo, id)
	if err == nil {
		_, err = image.Tree()
	}
	if err != nil {
		return c.unreadable("image-invalid", path, id, err)
	}
	var lacking []verity.ID
	err = image.Objects(func(object verity.ID) error {
		if !c.whole(object) {
			c.problem("image-missing-object", path, "%s", object)
			lacking = append(lacking, object)
		}
		return nil
	})
	if err != nil {
		return c.unreadable("image-invalid", path, id, err)
	}
	return c.lacks(id, lacking)
}

// refs checks that each ref leads to a name that leads to an object.
func (c *Checker) refs() error {
	if c.only != nil {
		return nil
	}
	for _, category := range []repo.Category{repo.Streams, repo.Images} {
		for ref, err := range c.Repo.Refs(category, "") {
			switch {
			case objects.IsStray(err):
				c.problem("entry-not-symlink", fmt.Sprintf("%s/refs", category), "%v", err)
			case err != nil:
				return err
			default:
				c.ref(category, ref)
			}
		}
	}
	return nil
}

func (c *Checker) ref(category repo.Category, ref repo.Ref) {
	_, err := c.Repo.Lookup(category, ref.Target)
	switch {
	case err == nil:
	case ref.Odd != nil && errors.Is(err, fs.ErrNotExist): // in the place of a folder of refs
		c.fail(ref.Odd)
	default:
		c.damage("broken-symlink", fmt.Sprintf("%s/refs/%s", category, ref.Name), err)
	}
}
