package survey

import (
	"slices"
	"strings"

	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/terminal"
	"cfs/lib/verity"
)

// Keeps reports whether a root reaches one of some objects. After an error it may do so
// though the answer is no.
func Keeps(r *repo.Repo, x Root, ids []verity.ID) (bool, error) {
	reach := oci.NewReach(r, func(error) {})
	err := x.Add(reach)
	return slices.ContainsFunc(ids, reach.Has), err
}

// Keeper is a root that keeps something, in a list of those that do.
type Keeper struct {
	Version int          `json:"v"` // of this form
	Of      record.Text  `json:"of"`
	Kind    Kind         `json:"kind"`
	Name    record.Text  `json:"name"`
	Image   string       `json:"image,omitempty"` // that is mounted
	Path    *record.Text `json:"path,omitempty"`  // of a file in what the root leads to, whose content it is
}

// NewKeeper returns the entry of a root in the list of those that keep what an operand names.
func NewKeeper(of string, x Root) Keeper {
	k := Keeper{Version: record.JSONVersion, Of: record.Text(of), Kind: x.Kind, Name: record.Text(x.Name)}
	if x.Kind == KindMount {
		k.Image = x.Target
	}
	return k
}

// At returns the entry with a path.
func (k Keeper) At(path string) Keeper {
	text := record.Text(path)
	k.Path = &text
	return k
}

// String returns a line for programs: the tag, or @ and the kind of the root, then its name,
// of a mount first the image; then the path if there is one; with tabs between.
func (k Keeper) String() string { return k.line(oneLine) }

// Line is String for people's terminals.
func (k Keeper) Line() string {
	return k.line(func(name record.Text) string { return terminal.Name(string(name)) })
}

func (k Keeper) line(write func(record.Text) string) string {
	var fields []string
	if k.Kind != KindTag {
		fields = append(fields, "@"+string(k.Kind))
	}
	if k.Kind == KindMount {
		fields = append(fields, write(record.Text(k.Image)))
	}
	if k.Name == "" {
		k.Name = "-" // a mount without a lease
	}
	fields = append(fields, write(k.Name))
	if k.Path != nil {
		fields = append(fields, write(*k.Path))
	}
	return strings.Join(fields, "\t")
}
