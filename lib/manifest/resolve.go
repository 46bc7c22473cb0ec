package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
)

// ReadBlob returns the verified bytes of a manifest, an index or a config.
type ReadBlob func(v1.Descriptor) ([]byte, error)

// Find returns the first manifest of a list that is for a platform, also out of an
// index, or is of an artifact, which is for none. The error wraps fs.ErrNotExist and
// says which platforms there are if none is.
func Find(list []v1.Descriptor, platform v1.Platform, read ReadBlob) (v1.Descriptor, error) {
	s := search{platform: platform, seen: make(map[digest.Digest]bool)}
	s.read = func(d v1.Descriptor) ([]byte, error) { return s.readNew(read, d) }
	found, err := s.first(list)
	if err == errOtherPlatform {
		err = fmt.Errorf("no manifest for platform %s: %w; available: %s", platformName(platform), fs.ErrNotExist, strings.Join(unique(s.available), ", "))
	}
	return found, err
}

// FindAlone is Find for one manifest or index. If no platform is asked for, a manifest is
// taken whatever it is for, and an index is searched for this machine's.
func FindAlone(d v1.Descriptor, platform *v1.Platform, read ReadBlob) (v1.Descriptor, error) {
	if platform == nil {
		if !isIndex(d.MediaType) {
			return d, checkType(d)
		}
		host := HostPlatform()
		platform = &host
	}
	return Find([]v1.Descriptor{d}, *platform, read)
}

// Resolve returns the manifest of the image that is called ref in the layout, or
// of its only image if ref is "", as Find finds it. The error wraps fs.ErrNotExist if
// there is no such image.
func (l *Layout) Resolve(ref string, platform v1.Platform) (v1.Descriptor, error) {
	text, err := l.readFile(v1.ImageIndexFile)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("OCI layout %s: %w", l.path, err)
	}
	named, err := FindNamed(text, ref)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("OCI layout %s: %w", l.path, err)
	}
	return Find(named, platform, l.ReadAll)
}

// FindNamed returns what the text of a layout's index.json lists under the name ref, or
// with the digest ref, or all if ref is "". The error wraps fs.ErrNotExist if that is
// nothing.
func FindNamed(indexJSON []byte, ref string) ([]v1.Descriptor, error) {
	var index v1.Index
	if err := unmarshal(indexJSON, &index); err != nil {
		return nil, corrupt.Errorf("%s: %w", v1.ImageIndexFile, err)
	}
	var named []v1.Descriptor
	for _, d := range index.Manifests {
		if ref == "" || d.Annotations[v1.AnnotationRefName] == ref || d.Digest.String() == strings.TrimPrefix(ref, "@") {
			named = append(named, d)
		}
	}
	if len(named) == 0 {
		return nil, fmt.Errorf("has no image %q: %w; it has: %s", ref, fs.ErrNotExist, names(index))
	}
	return named, nil
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
	return strings.Join(unique(list), ", ")
}

// maxDepth is how deep indexes may stand in each other.
const maxDepth = 8

// search looks for the first manifest that is for a platform.
type search struct {
	read      ReadBlob
	platform  v1.Platform
	depth     int
	seen      map[digest.Digest]bool // what was read
	available []string
}

// maxRead is how many documents are read in search of one.
const maxRead = 1000

// readNew reads what was not read yet: what it holds is not looked at twice.
func (s *search) readNew(read ReadBlob, d v1.Descriptor) ([]byte, error) {
	switch {
	case s.seen[d.Digest]:
		return nil, errOtherPlatform
	case len(s.seen) >= maxRead:
		return nil, corrupt.Errorf("more than %d manifests in indexes", maxRead)
	}
	s.seen[d.Digest] = true
	return read(d)
}

// unique drops what is there twice, and keeps the order.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

var errOtherPlatform = errors.New("no manifest for the platform")

func (s *search) first(list []v1.Descriptor) (v1.Descriptor, error) {
	for _, d := range list {
		found, err := s.consider(d)
		if err != errOtherPlatform {
			return found, err
		}
	}
	return v1.Descriptor{}, errOtherPlatform
}

func isIndex(mediaType string) bool {
	return mediaType == v1.MediaTypeImageIndex || mediaType == DockerManifestList
}

// checkType refuses what is neither a manifest nor an index.
func checkType(d v1.Descriptor) error {
	switch d.MediaType {
	case v1.MediaTypeImageManifest, DockerManifest, v1.MediaTypeImageIndex, DockerManifestList:
		return nil
	case dockerSchema1, dockerSchema1Signed:
		return fmt.Errorf("manifest %s: Docker's schema 1 is not supported: want an image of schema 2 or of OCI", d.Digest)
	}
	return fmt.Errorf("manifest %s: media type %q is not supported", d.Digest, d.MediaType)
}

func (s *search) consider(d v1.Descriptor) (v1.Descriptor, error) {
	if isIndex(d.MediaType) {
		return s.enter(d)
	}
	if err := checkType(d); err != nil {
		return d, err
	}
	if d.Platform != nil {
		return d, s.match(*d.Platform)
	}
	text, err := s.read(d)
	if err != nil {
		return d, err
	}
	m, err := Parse(text)
	if err != nil || !IsImageConfig(m.Config.MediaType) {
		return d, err
	}
	config, err := s.read(m.Config)
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
	text, err := s.read(d)
	if err != nil {
		return d, err
	}
	var index v1.Index
	if err := unmarshal(text, &index); err != nil {
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
