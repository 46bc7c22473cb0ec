package source

import (
	"fmt"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker/reference"

	"cfs/lib/manifest"
	"cfs/lib/missing"
)

// choose finds the image of an archive of docker save that ref asks for: by one of its tags,
// by its place as "@N", or the only one if ref is "".
func choose(list []manifest.Saved, ref string) (manifest.Saved, error) {
	switch {
	case len(list) == 0:
		return manifest.Saved{}, missing.Errorf("is empty: its %s lists no image", dirManifest)
	case ref == "" && len(list) == 1:
		return list[0], nil
	case ref == "":
		return manifest.Saved{}, fmt.Errorf("has %d images, name one of: %s", len(list), strings.Join(tags(list), ", "))
	}
	for _, is := range []func(tag string) bool{
		func(tag string) bool { return tag == ref },
		func(tag string) bool { return fullName(tag) == fullName(ref) },
		func(tag string) bool { return strings.HasSuffix(fullName(tag), "/"+withTag(ref)) }, // without its host
	} {
		found := indexes(list, is)
		if len(found) > 0 && sameImage(list, found) {
			return list[found[0]], nil
		}
		if len(found) > 0 {
			return manifest.Saved{}, fmt.Errorf("has %d images with the name %q, choose one by index: %s", len(found), ref, places(found))
		}
	}
	for i, image := range list {
		if ref == place(i) {
			return image, nil
		}
	}
	return manifest.Saved{}, missing.Errorf("has no image %q; it has: %s", ref, strings.Join(tags(list), ", "))
}

// indexes returns the places of the images that have a tag which is right.
func indexes(list []manifest.Saved, is func(tag string) bool) (found []int) {
	for i, image := range list {
		if slices.ContainsFunc(image.RepoTags, is) {
			found = append(found, i)
		}
	}
	return found
}

// sameImage reports whether the images at some places are one that is listed several times.
func sameImage(list []manifest.Saved, found []int) bool {
	first := list[found[0]]
	return !slices.ContainsFunc(found, func(i int) bool {
		return list[i].Config != first.Config || !slices.Equal(list[i].Layers, first.Layers)
	})
}

func place(i int) string { return fmt.Sprintf("@%d", i) }

func places(found []int) string {
	var names []string
	for _, i := range found {
		names = append(names, place(i))
	}
	return strings.Join(names, ", ")
}

// tags returns all tags of an archive, and the places of images without one.
func tags(list []manifest.Saved) (names []string) {
	for i, image := range list {
		if len(image.RepoTags) == 0 {
			names = append(names, place(i))
		}
		names = append(names, image.RepoTags...)
	}
	return names
}

// fullName returns a name with the host and the tag that it stands for, as it is if it is
// none of an image.
func fullName(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.TagNameOnly(named).String()
}

// withTag returns a name with the tag that it stands for.
func withTag(name string) string {
	if strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") {
		return name
	}
	return name + ":latest"
}
