package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/missing"
)

// ReadBlob returns the verified bytes of a manifest, an index or a config.
type ReadBlob func(v1.Descriptor) ([]byte, error)

// Find returns the manifest of a list, also out of an index, that is the best one for a
// platform. If that is nil, it is this machine's, and a manifest that is alone in the list
// is taken whatever it is for. The error wraps fs.ErrNotExist and says which platforms there
// are if none will do.
//
// Manifests are chosen as podman and skopeo do: by the variant, whatever their order in an
// index, and of equal ones what is compressed with zstd. Those whose descriptor names no
// platform come last, by that of their config, and artifacts, which are for none, behind
// them.
func Find(list []v1.Descriptor, platform *v1.Platform, read ReadBlob) (v1.Descriptor, error) {
	if platform == nil && len(list) == 1 && !isIndex(list[0].MediaType) {
		return list[0], checkType(list[0])
	}
	s := newSearch(platform, read)
	if err := s.search(list); err != nil {
		return v1.Descriptor{}, err
	}
	return s.result()
}

// maxDepth is how deep indexes may stand in each other.
const maxDepth = 8

// maxRead is how many documents are read in search of one.
const maxRead = 1000

// search looks for the best manifest for a platform.
type search struct {
	read      ReadBlob
	platform  v1.Platform
	asked     bool // for the platform
	wanted    []v1.Platform
	depth     int
	seen      map[digest.Digest]bool // what was read
	unnamed   []v1.Descriptor        // manifests whose descriptors name no platform
	available []string
	best      *candidate
}

// candidate is a manifest that will do.
type candidate struct {
	desc v1.Descriptor
	rank int
}

func newSearch(platform *v1.Platform, read ReadBlob) *search {
	s := &search{platform: HostPlatform(), read: read, seen: make(map[digest.Digest]bool)}
	if platform != nil {
		s.platform, s.asked = *platform, true
	}
	s.wanted = wanted(s.platform)
	return s
}

// search considers all that a list leads to, as far as there can be something better.
func (s *search) search(list []v1.Descriptor) error {
	if err := s.list(list); err != nil || s.best != nil {
		return err
	}
	for _, d := range s.unnamed {
		if err := s.config(d); err != nil {
			return err
		}
	}
	return nil
}

// zstdAnnotation marks what is the same image as another of an index, but for its compression.
const zstdAnnotation = "io.github.containers.compression.zstd"

// offer considers a manifest for a platform.
func (s *search) offer(d v1.Descriptor, p v1.Platform) {
	s.available = append(s.available, PlatformName(p))
	if n := rank(s.wanted, p); n >= 0 {
		s.take(candidate{d, n})
	}
}

func (s *search) take(c candidate) {
	zstd := func(c candidate) bool { return c.desc.Annotations[zstdAnnotation] == "true" }
	if s.best == nil || c.rank < s.best.rank || c.rank == s.best.rank && zstd(c) && !zstd(*s.best) {
		s.best = &c
	}
}

// list considers the manifests of a list that need not be read, then its indexes.
func (s *search) list(list []v1.Descriptor) error {
	for _, d := range list {
		if !isIndex(d.MediaType) && named(d.Platform) && checkType(d) == nil {
			s.offer(d, *d.Platform)
		}
	}
	for _, d := range list {
		switch {
		case s.best != nil && s.best.rank == 0:
			return nil
		case isIndex(d.MediaType):
			if err := s.enter(d); err != nil {
				return err
			}
		case checkType(d) != nil:
			if len(list) == 1 {
				return checkType(d)
			}
			s.available = append(s.available, fmt.Sprintf("@%s of media type %q", d.Digest, d.MediaType))
		case !named(d.Platform):
			s.unnamed = append(s.unnamed, d)
		}
	}
	return nil
}

// enter considers what an index lists, once.
func (s *search) enter(d v1.Descriptor) error {
	if s.depth++; s.depth > maxDepth {
		return corrupt.Errorf("index %s: more than %d nested indexes", d.Digest, maxDepth)
	}
	defer func() { s.depth-- }()
	text, err := s.readNew(d)
	if err != nil || text == nil {
		return err
	}
	index, err := ParseIndex(text, d.MediaType)
	if err != nil {
		return fmt.Errorf("index %s: %w", d.Digest, err)
	}
	return s.list(index.Manifests)
}

// config considers a manifest whose config has to be asked.
func (s *search) config(d v1.Descriptor) error {
	text, err := s.readNew(d)
	if err != nil || text == nil {
		return err
	}
	p, err := platformOf(d, text, s.read)
	switch {
	case err != nil:
		return err
	case p == nil || !named(p) && !s.asked:
		s.take(candidate{d, len(s.wanted)})
	case named(p):
		s.offer(d, *p)
	default:
		s.available = append(s.available, fmt.Sprintf("@%s, whose config names no platform", d.Digest))
	}
	return nil
}

// readNew reads what was not read yet: what it holds is not looked at twice. It returns nil
// for what was.
func (s *search) readNew(d v1.Descriptor) ([]byte, error) {
	switch {
	case s.seen[d.Digest]:
		return nil, nil
	case len(s.seen) >= maxRead:
		return nil, corrupt.Errorf("more than %d manifests in indexes", maxRead)
	}
	s.seen[d.Digest] = true
	return s.read(d)
}

// platformOf returns the platform that the config of a manifest names, nil if it is that of
// an artifact.
func platformOf(d v1.Descriptor, text []byte, read ReadBlob) (*v1.Platform, error) {
	m, err := ParseAs(d, text)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if !IsImageConfig(m.Config.MediaType) {
		return nil, nil
	}
	if text, err = read(m.Config); err != nil {
		return nil, err
	}
	c, err := ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", m.Config.Digest, err)
	}
	return &c.Platform, nil
}

// ErrPlatform means that no manifest is for the platform.
var ErrPlatform = errors.New("no manifest for platform")

func (s *search) result() (v1.Descriptor, error) {
	switch {
	case s.best != nil:
		return s.best.desc, nil
	case len(s.available) == 0:
		return v1.Descriptor{}, missing.Errorf("%w %s: the index is empty, it lists no manifest", ErrPlatform, PlatformName(s.platform))
	}
	return v1.Descriptor{}, missing.Errorf("%w %s; available: %s", ErrPlatform, PlatformName(s.platform), strings.Join(unique(s.available), ", "))
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
