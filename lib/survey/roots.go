package survey

import (
	"cmp"
	"fmt"
	"slices"

	"cfs/lib/mount"
	"cfs/lib/objects"
	"cfs/lib/oci"
	"cfs/lib/repo"
)

// Kind says what a root is.
type Kind string

const (
	KindTag   Kind = "tag"   // of a manifest
	KindRef   Kind = "ref"   // any other ref, as cfs-mkerofs --ref makes them
	KindLease Kind = "lease" // of an unfinished pull
	KindMount Kind = "mount" // of an EROFS image, by its lease or seen in a mount namespace
)

// order is that in which roots are listed.
var order = []Kind{KindTag, KindRef, KindLease, KindMount}

// Root is what keeps objects of a repository.
type Root struct {
	Kind     Kind
	Name     string // the tag, the path of the ref, the manifest of the pull, the ID of the mount or ""
	Category repo.Category
	Target   string // the first-level name that the root leads to; of a mount that is only seen, how it is named

	seen bool // in a mount namespace, and has no lease
}

// TagRoot returns the root that a tag is.
func TagRoot(tag oci.NamedManifest) Root {
	return Root{Kind: KindTag, Name: tag.Tag, Category: repo.Streams, Target: oci.ManifestName(tag.Manifest)}
}

// String describes the root, for messages.
func (x Root) String() string {
	if x.seen {
		return fmt.Sprintf("mounted image %q", x.Target)
	}
	return fmt.Sprintf("%s %q", x.Kind, x.Name)
}

// Add adds what a root reaches to reach. An error says that this is not all.
func (x Root) Add(reach *oci.Reach) error {
	if x.seen {
		return reach.AddMounted([]string{x.Target})
	}
	return reach.AddName(x.Category, x.Target)
}

// LeadsNowhere reports whether what a root leads to is missing, so that it keeps nothing.
func (x Root) LeadsNowhere(r *repo.Repo) bool { return !x.seen && r.Dangles(x.Category, x.Target) }

// Roots returns what keeps objects of a repository, as cfs-gc sees it: tags, other refs,
// leases, and mounts but for those that have ended. warn is told what does not belong there.
// After an error the list is not complete.
func Roots(r *repo.Repo, mounts *mount.Mounts, warn func(error)) (roots []Root, err error) {
	leased := map[string]bool{} // images that a mount has leased
	for _, category := range []repo.Category{repo.Streams, repo.Images} {
		for ref, refErr := range r.Refs(category, "") {
			switch {
			case objects.IsStray(refErr):
				warn(refErr)
				continue
			case refErr != nil:
				err = cmp.Or(err, refErr)
				continue
			}
			x, keeps := rootOf(category, ref, mounts)
			if !keeps {
				continue
			}
			if ref.Odd != nil && x.LeadsNowhere(r) { // it may stand in the place of a folder of refs
				err = cmp.Or(err, ref.Odd)
			}
			leased[ref.Target] = leased[ref.Target] || x.Kind == KindMount
			roots = append(roots, x)
		}
	}
	for _, name := range mounts.Names {
		if !leased[name] {
			roots = append(roots, Root{Kind: KindMount, Category: repo.Images, Target: name, seen: true})
		}
	}
	slices.SortStableFunc(roots, func(a, b Root) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(a.Name, b.Name))
	})
	return roots, err
}

// rootOf returns the root that a ref is. keeps is false for the lease of a mount that has
// ended.
func rootOf(category repo.Category, ref repo.Ref, mounts *mount.Mounts) (x Root, keeps bool) {
	x = Root{Kind: KindRef, Name: string(category) + "/refs/" + ref.Name, Category: category, Target: ref.Target}
	if oci.IsLease(ref) {
		x.Kind, x.Name = KindLease, oci.LeasedFor(ref).String()
		return x, true
	}
	if category == repo.Streams && oci.IsTag(ref) {
		if tag, err := oci.TagOf(ref); err == nil { // else it is a ref like any other
			return TagRoot(tag), true
		}
		return x, true
	}
	if m, ok := oci.MountOf(ref); ok && category == repo.Images {
		x.Kind, x.Name = KindMount, m.String()
		return x, mounts.State(m) != mount.Ended
	}
	return x, true
}
