// Package gc removes everything from a repository that no root reaches.
//
// Roots are the refs of streams and of images, including tags and leases, mounted images, and
// what the caller names. The ref of an artifact that refers to an image is a root only while the
// image is reached from another root.
//
// An error is not knowledge: what could not be listed or read is not garbage. All data that
// determines what is removed is read before the first removal, and any error ends the collection.
// Only stray files and dangling refs merely cause a warning.
package gc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"cfs/lib/corrupt"
	"cfs/lib/mount"
	"cfs/lib/objects"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/verity"
)

// ErrNoRoots means that nothing at all would be kept.
var ErrNoRoots = errors.New("nothing is tagged, referenced, leased or mounted: all objects would be removed")

// Collector removes what no root reaches. Its repository is locked exclusively, or
// shared for a dry run.
type Collector struct {
	Repo       *repo.Repo
	Mounts     mount.Mounts  // what is mounted
	Named      []Named       // images that are named elsewhere
	Keep       time.Duration // how old leases of pulls get
	DropMounts bool          // also leases of mounts that may be there, but are not seen
	AllowEmpty bool          // also if there are no roots
	DryRun     bool
	Warn       func(error) // strays, dangling refs and the like, which stop nothing

	// Removing is told the path in the repository of everything that Run is going to remove, or would, before
	// anything is, and the size in bytes if it is an object, else -1. An error of it ends the collection. It may be nil.
	Removing func(path string, size int64) error

	ages      *oci.LeaseAges
	reach     *oci.Reach
	roots     int
	referrers []repo.Ref // refs of artifacts, which are roots as their subjects are
	drop      []link     // refs that are to go
	kept      []string   // refs of images that nothing else keeps
}

// Named is an EROFS image that is named outside of the repository, as by an entry of a boot
// loader.
type Named struct {
	Image verity.ID
	By    string // what names it, for people
}

// Kept returns the refs of EROFS images, such as "images/refs/boot/ID/DIGEST", that kept
// something in the last Run which no stream keeps.
func (c *Collector) Kept() []string { return c.kept }

// link is a name or a ref.
type link struct {
	category repo.Category
	ref      bool
	name     string
}

// Result says what was removed, or would be.
type Result struct {
	Objects   int   `json:"objects"`
	Bytes     int64 `json:"bytes"`
	Images    int   `json:"images"`    // links
	Streams   int   `json:"streams"`   // links
	Referrers int   `json:"referrers"` // of these, artifacts of removed images
	Leftovers int   `json:"leftovers"` // of writers that were killed
	Hidden    int   `json:"hidden"`    // processes of which the mounts could not be seen
}

// WriteText writes the result for people, as the reference does.
func (r Result) WriteText(w io.Writer) error {
	text := fmt.Sprintf("Objects: %d removed (%d bytes)\n", r.Objects, r.Bytes)
	if r.Images+r.Streams > 0 {
		text += fmt.Sprintf("Pruned symlinks: %d images, %d streams\n", r.Images, r.Streams)
	}
	if r.Referrers > 0 {
		text += fmt.Sprintf("Artifacts: %d of removed images\n", r.Referrers)
	}
	if r.Leftovers > 0 {
		text += fmt.Sprintf("Leftovers: %d removed\n", r.Leftovers)
	}
	if r.Hidden > 0 {
		text += fmt.Sprintf("Not seen: mounts of %d processes\n", r.Hidden)
	}
	_, err := io.WriteString(w, text)
	return err
}

// categories are those of names and refs. Streams come first: so it is known which refs of
// images keep what no tag does.
var categories = []repo.Category{repo.Streams, repo.Images}

// Run collects. If anything that it reads cannot be read to its end it removes nothing. The
// error is marked as corrupt if a root is damaged, or something that a root needs is
// missing. Content that the kernel refuses to give is no damage here: another read may
// succeed.
func (c *Collector) Run() (Result, error) {
	result, err := c.run()
	result.Hidden = c.Mounts.Hidden
	if corrupt.IsUnreadable(err) {
		err = errors.New(err.Error())
	}
	return result, err
}

func (c *Collector) run() (Result, error) {
	c.ages = oci.NewLeaseAges(c.Repo)
	c.reach, c.roots, c.referrers, c.drop, c.kept = oci.NewReach(c.Repo, c.Warn), 0, nil, nil, nil
	for _, category := range categories {
		if err := c.addRoots(category); err != nil {
			return Result{}, err
		}
	}
	if err := c.addNamed(); err != nil {
		return Result{}, err
	}
	before := c.reach.Objects.Len()
	if err := c.reach.AddMounted(c.Mounts.Names); err != nil {
		return Result{}, err
	}
	if c.reach.Objects.Len() > before {
		c.roots++
	}
	gone, err := c.followReferrers()
	if err != nil {
		return Result{}, err
	}
	if err := c.tellOdd(); err != nil {
		return Result{}, err
	}
	p, err := c.makePlan()
	if err != nil {
		return Result{}, err
	}
	if err := c.tell(p); err != nil {
		return Result{}, err
	}
	result, err := c.carryOut(p)
	result.Referrers = gone
	return result, err
}

// tellOdd has the repository warn of tagged images that not all tools read alike. One that
// is damaged is a root, or dangles: others tell of it.
func (c *Collector) tellOdd() error {
	tags, _, err := oci.Tags(c.Repo)
	if err != nil {
		return err
	}
	for _, t := range tags {
		if _, err := oci.OpenImage(c.Repo, t.Manifest); err != nil && !corrupt.IsDamage(err) {
			return err
		}
	}
	return nil
}

// addRoots follows the refs of a category.
func (c *Collector) addRoots(category repo.Category) error {
	for ref, err := range c.Repo.Refs(category, "") {
		if objects.IsStray(err) {
			c.Warn(err)
			continue
		}
		if err != nil {
			return err
		}
		ended, err := c.hasEnded(category, ref)
		if err != nil {
			return err
		}
		if ended {
			c.drop = append(c.drop, link{category, true, ref.Name})
			continue
		}
		if _, ok := oci.SubjectOf(ref); ok && category == repo.Streams {
			c.referrers = append(c.referrers, ref)
			continue
		}
		if err := c.addRoot(category, ref); err != nil {
			return err
		}
	}
	return nil
}

// hasEnded reports whether a ref is a lease that keeps nothing any more.
func (c *Collector) hasEnded(category repo.Category, ref repo.Ref) (bool, error) {
	if oci.IsLease(ref) {
		age, err := c.ages.Of(ref)
		return age > c.Keep, err
	}
	m, ok := oci.MountOf(ref)
	if !ok || category != repo.Images {
		return false, nil
	}
	state := c.Mounts.State(m)
	return state == mount.Ended || state == mount.Unknown && c.DropMounts, nil
}

// addRoot follows a ref. One that leads nowhere is no root, unless it is a link of a kind
// that nobody makes: that may stand in the place of a folder of refs.
func (c *Collector) addRoot(category repo.Category, ref repo.Ref) error {
	before := c.reach.Objects.Len()
	err := c.reach.AddName(category, ref.Target)
	switch {
	case err == nil:
		c.roots++
		if _, mounted := oci.MountOf(ref); category == repo.Images && !mounted && !oci.IsLease(ref) && c.reach.Objects.Len() > before {
			c.kept = append(c.kept, "images/refs/"+ref.Name)
		}
		return nil
	case c.Repo.Dangles(category, ref.Target):
		if ref.Odd != nil {
			return fmt.Errorf("%w, nothing was removed", ref.Odd)
		}
		c.Warn(fmt.Errorf("%s/refs/%s is dangling: %s is missing", category, ref.Name, ref.Target))
		c.drop = append(c.drop, link{category, true, ref.Name})
		return nil
	}
	err = fmt.Errorf("%s/refs/%s cannot be read completely, nothing was removed: %w", category, ref.Name, err)
	if errors.Is(err, fs.ErrNotExist) {
		err = corrupt.Errorf("%w", err) // what is missing is needed
	}
	return err
}

// addNamed follows the images that are named elsewhere. Of one that is not here it warns.
func (c *Collector) addNamed() error {
	for _, n := range c.Named {
		err := c.reach.AddName(repo.Images, n.Image.String())
		switch {
		case err == nil:
			c.roots++
		case c.Repo.Dangles(repo.Images, n.Image.String()):
			c.Warn(fmt.Errorf("%s names the image %s, which the repository does not have", n.By, n.Image))
		default:
			return fmt.Errorf("%s names an image that cannot be read completely, nothing was removed: %w", n.By, err)
		}
	}
	return nil
}
