package survey

import (
	"fmt"
	"strings"

	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
)

// Ref is a ref of an EROFS image, and what that costs.
type Ref struct {
	Version int         `json:"v"` // of this form
	Name    record.Text `json:"name"`
	Image   string      `json:"image"`
	Size    *int64      `json:"size,omitempty"` // as in Tag
	Unique  *int64      `json:"unique,omitempty"`
}

// ImageRefs returns the refs of EROFS images among roots, with what they cost. all is false
// if there may be more roots.
func ImageRefs(roots []Root, costs []Cost, all bool) (refs []Ref) {
	for i, x := range roots {
		name, ok := strings.CutPrefix(x.Name, string(repo.Images)+"/")
		if !ok || x.Kind != KindRef {
			continue
		}
		ref := Ref{Version: record.JSONVersion, Name: record.Text(name), Image: x.Target}
		ref.Size, ref.Unique = costs[i].sizes(all)
		refs = append(refs, ref)
	}
	return refs
}

// String returns a line for programs: name and EROFS image, with a tab between.
func (f Ref) String() string { return fmt.Sprintf("%s\t%s", oneLine(f.Name), f.Image) }

// Overlap is what two images share, in bytes of objects.
type Overlap struct {
	Version int         `json:"v"` // of this form
	A       record.Text `json:"a"` // how they were named
	B       record.Text `json:"b"`
	Shared  int64       `json:"shared"`
	OnlyA   int64       `json:"only_a"`
	OnlyB   int64       `json:"only_b"`
}

// Compare returns what two images have in common, and what each has alone.
func Compare(r *repo.Repo, a, b *oci.Image) (Overlap, error) {
	roots := make([]Root, 2)
	for i, image := range []*oci.Image{a, b} {
		roots[i] = Root{Kind: KindTag, Category: repo.Streams, Target: oci.ManifestName(image.Manifest.Digest)}
	}
	costs := Costs(r, roots)
	for i, c := range costs {
		if c.Err != nil {
			return Overlap{}, fmt.Errorf("%s: %w", roots[i].Target, c.Err)
		}
	}
	return Overlap{Version: record.JSONVersion, Shared: costs[0].Bytes - costs[0].Unique, OnlyA: costs[0].Unique, OnlyB: costs[1].Unique}, nil
}

// String returns lines for programs: what is shared, A, and B, each a name, a tab, and bytes.
func (o Overlap) String() string {
	return fmt.Sprintf("@shared\t%d\n%s\t%d\n%s\t%d", o.Shared, oneLine(o.A), o.OnlyA, oneLine(o.B), o.OnlyB)
}
