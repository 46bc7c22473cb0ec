package blob

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// Resolve returns the manifest of the image that is called ref in the layout, or
// of its only image if ref is "". Of several it takes the first that is for
// platform, also out of an index, and an artifact, which is for none. The error
// wraps fs.ErrNotExist if there is no such image.
func (l *Layout) Resolve(ref string, platform v1.Platform) (v1.Descriptor, error) {
	text, err := l.readFile(v1.ImageIndexFile)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("OCI layout %s: %w", l.path, err)
	}
	var index v1.Index
	if err := json.Unmarshal(text, &index); err != nil {
		return v1.Descriptor{}, corrupt.Errorf("OCI layout %s: %s: %w", l.path, v1.ImageIndexFile, err)
	}
	var named []v1.Descriptor
	for _, d := range index.Manifests {
		if ref == "" || d.Annotations[v1.AnnotationRefName] == ref || d.Digest.String() == strings.TrimPrefix(ref, "@") {
			named = append(named, d)
		}
	}
	if len(named) == 0 {
		return v1.Descriptor{}, fmt.Errorf("OCI layout %s has no image %q: %w; it has: %s", l.path, ref, fs.ErrNotExist, names(index))
	}
	s := search{layout: l, platform: platform}
	return s.find(named)
}

func names(index v1.Index) string {
	var list []string
	for _, d := range index.Manifests {
		if name := d.Annotations[v1.AnnotationRefName]; name != "" {
			list = append(list, name)
		} else {
			list = append(list, "@"+d.Digest.String())
		}
	}
	return strings.Join(list, ", ")
}

// maxDepth is how deep indexes may stand in each other.
const maxDepth = 8

// search looks for the first manifest that is for a platform.
type search struct {
	layout    *Layout
	platform  v1.Platform
	depth     int
	available []string
}

var errOtherPlatform = errors.New("no manifest for the platform")

func (s *search) find(list []v1.Descriptor) (v1.Descriptor, error) {
	found, err := s.first(list)
	if err == errOtherPlatform {
		err = fmt.Errorf("no manifest for platform %s: %w; available: %s", platformName(s.platform), fs.ErrNotExist, strings.Join(s.available, ", "))
	}
	return found, err
}

func (s *search) first(list []v1.Descriptor) (v1.Descriptor, error) {
	for _, d := range list {
		found, err := s.consider(d)
		if err != errOtherPlatform {
			return found, err
		}
	}
	return v1.Descriptor{}, errOtherPlatform
}

func (s *search) consider(d v1.Descriptor) (v1.Descriptor, error) {
	switch d.MediaType {
	case v1.MediaTypeImageIndex, DockerManifestList:
		return s.enter(d)
	case v1.MediaTypeImageManifest, DockerManifest:
	default:
		return d, fmt.Errorf("manifest %s: media type %q is not supported", d.Digest, d.MediaType)
	}
	if d.Platform != nil {
		return d, s.match(*d.Platform)
	}
	text, err := s.layout.ReadAll(d)
	if err != nil {
		return d, err
	}
	m, err := ParseManifest(text)
	if err != nil || !IsImageConfig(m.Config.MediaType) {
		return d, err
	}
	config, err := s.layout.ReadAll(m.Config)
	if err != nil {
		return d, err
	}
	var image v1.Image
	if err := json.Unmarshal(config, &image); err != nil {
		return d, corrupt.Errorf("config %s: %w", m.Config.Digest, err)
	}
	return d, s.match(image.Platform)
}

func (s *search) enter(d v1.Descriptor) (v1.Descriptor, error) {
	if s.depth++; s.depth > maxDepth {
		return d, corrupt.Errorf("index %s: more than %d indexes in each other", d.Digest, maxDepth)
	}
	defer func() { s.depth-- }()
	text, err := s.layout.ReadAll(d)
	if err != nil {
		return d, err
	}
	var index v1.Index
	if err := json.Unmarshal(text, &index); err != nil {
		return d, corrupt.Errorf("index %s: %w", d.Digest, err)
	}
	return s.first(index.Manifests)
}

// match compares as the reference does: a variant counts only if one is asked for.
func (s *search) match(p v1.Platform) error {
	s.available = append(s.available, platformName(p))
	want := s.platform
	if p.OS != want.OS || p.Architecture != want.Architecture || want.Variant != "" && p.Variant != want.Variant {
		return errOtherPlatform
	}
	return nil
}

func platformName(p v1.Platform) string {
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return name
}
