// Package survey reports what a repository contains, how much space that takes, and what keeps
// it: for the repository as a whole, for each image, and for a single object.
//
// It reads under a shared lock and changes nothing. It also formats its reports, so that all
// tools print them alike.
package survey

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/mount"
	"cfs/lib/objects"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/spool"
)

// Info is a repository in numbers. Sizes are in bytes.
type Info struct {
	Version   int         `json:"v"` // of this form
	Path      record.Text `json:"path"`
	Algorithm string      `json:"algorithm"`
	Formats   []int       `json:"formats"` // of EROFS images, the default first
	Verity    bool        `json:"verity"`  // the kernel protects each object
	Metadata  bool        `json:"metadata"`
	Tags      int         `json:"tags"`
	Manifests int         `json:"manifests"`
	Images    int         `json:"images"`  // EROFS images that have a name
	Refs      int         `json:"refs"`    // of images and streams, without tags and leases
	Objects   int         `json:"objects"` // with those that no root reaches
	Bytes     int64       `json:"bytes"`

	Pulls  []Pull  `json:"pulls"`
	Mounts []Mount `json:"mounts"`
	Spool  *Spool  `json:"spool,omitempty"` // nil unless it was asked for
}

// Pull is an unfinished pull, and how much it has leased.
type Pull struct {
	Manifest string `json:"manifest"`
	Leases   int    `json:"leases"`
}

// Mount is the lease of a mount of an EROFS image.
type Mount struct {
	Image string `json:"image"`
	Mount string `json:"mount"`
	State string `json:"state"` // "mounted", "ended" or "unknown"
}

// Spool is what only a spool has: blobs, whole or not, that no manifest in the repository
// names.
type Spool struct {
	Path     record.Text `json:"path"`
	Blobs    int         `json:"blobs"`
	Partial  int         `json:"partial"` // of these
	Bytes    int64       `json:"bytes"`
	InImages int64       `json:"bytes_stored"` // of blobs that the repository has as well
}

// Describe counts what is in a repository. warn is told what does not belong there.
func Describe(r *repo.Repo, mounts *mount.Mounts, warn func(error)) (Info, error) {
	info := Info{
		Version: record.JSONVersion, Path: record.Text(r.Path), Algorithm: r.Algorithm.String(), Verity: r.Secure, Metadata: !r.NoMeta,
		Pulls: []Pull{}, Mounts: []Mount{},
	}
	for _, f := range r.Formats {
		info.Formats = append(info.Formats, int(f))
	}
	names, err := r.Names(repo.Images)
	if err != nil {
		return info, err
	}
	info.Images = len(names)
	manifests, err := manifestDigests(r)
	if err != nil {
		return info, err
	}
	info.Manifests = len(manifests)
	for _, c := range []repo.Category{repo.Streams, repo.Images} {
		if err := info.countRefs(r, c, mounts, warn); err != nil {
			return info, err
		}
	}
	slices.SortFunc(info.Pulls, func(a, b Pull) int { return cmp.Compare(a.Manifest, b.Manifest) })
	return info, info.countObjects(r, warn)
}

func (i *Info) countRefs(r *repo.Repo, c repo.Category, mounts *mount.Mounts, warn func(error)) error {
	for ref, err := range r.Refs(c, "") {
		switch {
		case objects.IsStray(err):
			warn(err)
		case err != nil:
			return err
		case oci.IsLease(ref):
			i.addLease(ref)
		case c == repo.Streams && oci.IsTag(ref):
			i.Tags++
		default:
			if m, ok := oci.MountOf(ref); ok && c == repo.Images {
				i.Mounts = append(i.Mounts, Mount{ref.Target, m.String(), stateName(mounts.State(m))})
				continue
			}
			i.Refs++
		}
	}
	return nil
}

func (i *Info) addLease(ref repo.Ref) {
	d := oci.LeasedFor(ref)
	at := slices.IndexFunc(i.Pulls, func(p Pull) bool { return p.Manifest == d.String() })
	if at < 0 {
		at = len(i.Pulls)
		i.Pulls = append(i.Pulls, Pull{Manifest: d.String()})
	}
	i.Pulls[at].Leases++
}

func stateName(s mount.State) string {
	switch s {
	case mount.There:
		return "mounted"
	case mount.Ended:
		return "ended"
	}
	return "unknown"
}

func (i *Info) countObjects(r *repo.Repo, warn func(error)) error {
	for id, err := range r.Objects.List() {
		if objects.IsStray(err) {
			warn(err)
			continue
		}
		if err != nil {
			return err
		}
		size, err := r.Objects.Size(id)
		if err != nil {
			return err
		}
		i.Objects++
		i.Bytes += size
	}
	return nil
}

// AddSpool counts what only the spool at dir has.
func (i *Info) AddSpool(r *repo.Repo, dir string) error {
	blobs, err := spool.List(dir)
	if err != nil {
		return err
	}
	stored, err := storedBlobs(r)
	if err != nil {
		return err
	}
	i.Spool = &Spool{Path: record.Text(dir)}
	for _, b := range blobs {
		if stored[b.Digest] {
			i.Spool.InImages += b.Size
			continue
		}
		i.Spool.Blobs++
		i.Spool.Bytes += b.Size
		if b.Partial {
			i.Spool.Partial++
		}
	}
	return nil
}

// storedBlobs returns the digests of all manifests in the repository, and of the configs and
// layers that these name. A manifest that is damaged or incomplete names nothing: what it
// needs has to be fetched again.
func storedBlobs(r *repo.Repo) (map[digest.Digest]bool, error) {
	manifests, err := manifestDigests(r)
	if err != nil {
		return nil, err
	}
	stored := make(map[digest.Digest]bool)
	for _, d := range manifests {
		m, err := oci.OpenManifest(r, d)
		if corrupt.IsDamage(err) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		stored[d], stored[m.Manifest.Config.Digest] = true, true
		for _, l := range m.Manifest.Layers {
			stored[l.Digest] = true
		}
	}
	return stored, nil
}

func manifestDigests(r *repo.Repo) (list []digest.Digest, err error) {
	names, err := r.Names(repo.Streams)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if kind, d, ok := oci.ParseName(name); ok && kind == oci.KindManifest {
			list = append(list, d)
		}
	}
	return list, nil
}
