package bootloader

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"cfs/lib/boot"
	"cfs/lib/esp"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Booted returns the images that the running kernel was told to boot, by its command line.
func Booted(a verity.Algorithm) ([]verity.ID, error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil, err
	}
	kargs, _ := boot.Kargs(string(line), a) // what is malformed names no image
	var ids []verity.ID
	for _, k := range kargs {
		ids = append(ids, k.ID)
	}
	return ids, nil
}

// List returns the entries of a boot directory that name images of composefs, in the order of a
// boot loader, then the refs of installed images without an entry. Warnings of the scan are for
// the caller; an error about a tag comes with the list.
func List(r *repo.Repo, f *esp.Folder) (list []Installed, scan *Scan, err error) {
	if scan, err = Read(f, r.Algorithm); err != nil {
		return nil, nil, err
	}
	booted, err := Booted(r.Algorithm)
	if err != nil {
		return nil, nil, err
	}
	kept, err := refs(r)
	if err != nil {
		return nil, nil, err
	}
	names, namesErr := tagsOf(r)
	for _, e := range scan.Entries {
		if len(e.Images) == 0 {
			continue
		}
		i := Installed{Image: e.Images[0], Entry: e, Booted: slices.Contains(booted, e.Images[0])}
		i.Name, i.Manifest = names[i.Image].Tag, names[i.Image].manifest()
		if i.Problems, err = problems(r, f, e, kept); err != nil {
			return nil, nil, err
		}
		list = append(list, i)
	}
	for id, images := range kept {
		for _, image := range images {
			if !slices.ContainsFunc(list, func(i Installed) bool { return i.ID == id && slices.Contains(i.Images, image) }) {
				list = append(list, Installed{Image: image, Name: names[image].Tag, Manifest: names[image].manifest(), Entry: Entry{ID: id}, Problems: []string{"no entry"}})
			}
		}
	}
	sortRest(list)
	return list, scan, namesErr
}

// sortRest sorts the refs without an entry, which come last, by their IDs.
func sortRest(list []Installed) {
	first := slices.IndexFunc(list, func(i Installed) bool { return i.Path == "" })
	if first < 0 {
		return
	}
	slices.SortFunc(list[first:], func(a, b Installed) int {
		return strings.Compare(a.ID+"/"+a.Image.String(), b.ID+"/"+b.Image.String())
	})
}

// problems returns what is wrong with an entry.
func problems(r *repo.Repo, f *esp.Folder, e Entry, kept map[string][]verity.ID) (list []string, err error) {
	for _, name := range e.Files {
		file, err := f.Open(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			list = append(list, "no file "+name)
		case err != nil:
			return nil, err
		default:
			file.Close()
		}
	}
	if _, err := oci.EROFSFormat(r, e.Images[0]); errors.Is(err, fs.ErrNotExist) {
		list = append(list, "no image in the repository")
	} else if err != nil {
		return nil, err
	}
	if !slices.Contains(kept[e.ID], e.Images[0]) {
		list = append(list, "no ref")
	}
	if len(e.Images) > 1 {
		list = append(list, fmt.Sprintf("%d kernel arguments name images", len(e.Images)))
	}
	if e.Over {
		list = append(list, "options hide the command line of the unified kernel image")
	}
	return list, nil
}

// tagged is a tag, and its manifest.
type tagged struct{ oci.NamedManifest }

func (t tagged) manifest() string { return t.NamedManifest.Manifest.String() }

// tagsOf returns the first tag of each boot image.
func tagsOf(r *repo.Repo) (map[verity.ID]tagged, error) {
	names := map[verity.ID]tagged{}
	tags, _, err := oci.Tags(r) // strays are no tags
	for _, tag := range tags {
		image, openErr := oci.OpenImage(r, tag.Manifest)
		if openErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", tag.Tag, openErr))
			continue
		}
		for _, key := range image.Config.ImageKeys() {
			id := image.Config.Images[key]
			if _, ok := names[id]; !ok && variant.IsBootKey(key) {
				names[id] = tagged{tag}
			}
		}
	}
	return names, err
}
