package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"time"

	"cfs/lib/lookup"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/survey"
	"cfs/lib/terminal"
	"cfs/lib/tool"
)

// list prints a line for each tag, or for those that the operands match.
func (o *options) list() error {
	if err := o.Check(listRules); err != nil {
		return err
	}
	most, do := many, (*listing).printTags
	switch {
	case o.shared:
		most, do = 2, (*listing).compare
	case o.refs:
		most, do = 0, (*listing).printRefs
	}
	return o.withListing(0, most, do)
}

// withListing does something with a listing, and fails if that is not complete.
func (o *options) withListing(least, most int, do func(*listing) error) error {
	return o.withRepo(least, most, o.openToRead, func(r *repo.Repo) error {
		k := &listing{options: o, repo: r}
		if err := do(k); err != nil {
			return err
		}
		return k.end()
	})
}

func (k *listing) printTags() error {
	tags, err := k.matching(k.tags())
	if err != nil {
		return err
	}
	list := k.describe(tags)
	switch {
	case k.JSON:
		k.addCosts(list)
		return printJSON(list)
	case k.forPeople():
		k.addCosts(list)
		return k.table().WriteTags(os.Stdout, list)
	}
	return printLines(list)
}

// matching returns the tags that one of the operands matches: all, if there is none.
func (k *listing) matching(tags []oci.NamedManifest) ([]oci.NamedManifest, error) {
	if len(k.Operands) == 0 {
		return tags, nil
	}
	var list []oci.NamedManifest
	for _, pattern := range k.Operands {
		matched, err := matchTags(tags, pattern)
		if err != nil {
			return nil, err
		}
		list = append(list, matched...)
	}
	slices.SortFunc(list, oci.NamedManifest.Compare)
	return slices.Compact(list), nil
}

// matchTags returns the tags that a pattern matches, of which there must be one.
func matchTags(tags []oci.NamedManifest, pattern string) ([]oci.NamedManifest, error) {
	list, err := oci.Match(tags, pattern)
	if err != nil {
		return nil, tool.UsageError("%w", err)
	}
	if list == nil {
		return nil, missing.Errorf("no tag matches %q", pattern)
	}
	return list, nil
}

// describe returns what tags lead to, without those of which that cannot be told.
func (k *listing) describe(tags []oci.NamedManifest) (list []survey.Tag) {
	for _, tag := range tags {
		t, err := survey.DescribeTag(k.repo, tag)
		if err != nil {
			k.lacks(survey.TagRoot(tag), err)
		} else if !k.missing || t.Container && t.Image == "" {
			list = append(list, t)
		}
	}
	return list
}

// addCosts adds the sizes to tags.
func (k *listing) addCosts(list []survey.Tag) {
	roots, costs, all := k.costs()
	byName := make(map[string]survey.Cost)
	for i, x := range roots {
		if x.Kind == survey.KindTag {
			byName[x.Name] = costs[i]
		}
	}
	for i, t := range list {
		if c, ok := byName[string(t.Name)]; ok { // else it was made or removed meanwhile
			list[i].SetCost(c, all)
		}
	}
}

// costs returns what all roots cost. all is false if there may be more roots, or one that
// could not be read to its end.
func (k *listing) costs() (roots []survey.Root, costs []survey.Cost, all bool) {
	before := k.failed
	k.failed = nil
	roots = k.roots()
	costs = survey.Costs(k.repo, roots)
	for i, c := range costs {
		if c.Err != nil {
			k.lacks(roots[i], c.Err)
		}
	}
	all = k.failed == nil
	k.failed = cmp.Or(before, k.failed)
	return roots, costs, all
}

// printRefs prints a line for each ref of an EROFS image.
func (k *listing) printRefs() error {
	roots, costs, all := k.costs()
	refs := survey.ImageRefs(roots, costs, all)
	switch {
	case k.JSON:
		return printJSON(refs)
	case k.forPeople():
		return k.table().WriteRefs(os.Stdout, refs)
	}
	return printLines(refs)
}

// compare prints what two images share.
func (k *listing) compare() error {
	if len(k.Operands) != 2 {
		return tool.UsageError("want two images, A and B")
	}
	var images [2]*oci.Image
	for i, name := range k.Operands {
		var err error
		if images[i], err = lookup.Image(k.repo, name); err != nil {
			return err
		}
	}
	overlap, err := survey.Compare(k.repo, images[0], images[1])
	if err != nil {
		return err
	}
	overlap.A, overlap.B = record.Text(k.Operands[0]), record.Text(k.Operands[1])
	switch {
	case k.JSON:
		return record.WriteJSON(os.Stdout, overlap)
	case k.forPeople():
		return k.table().WriteOverlap(os.Stdout, overlap)
	}
	return printLines([]survey.Overlap{overlap})
}

// forPeople reports whether a table is wanted.
func (k *listing) forPeople() bool { return terminal.Is(os.Stdout) }

func (k *listing) table() survey.Table { return survey.Table{Now: time.Now(), Full: k.noTrunc} }

func printJSON[T any](list []T) error {
	for _, v := range list {
		if err := record.WriteJSON(os.Stdout, v); err != nil {
			return err
		}
	}
	return nil
}

func printLines[T fmt.Stringer](list []T) error {
	for _, v := range list {
		if _, err := fmt.Println(v); err != nil {
			return err
		}
	}
	return nil
}
