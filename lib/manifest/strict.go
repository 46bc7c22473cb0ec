package manifest

import (
	"errors"
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/tolerance"
)

// findStrictly is Find, but refuses where the reference takes another manifest of a layout,
// or none. A variant, which cannot be asked of it, is as it is found.
func findStrictly(list []v1.Descriptor, platform *v1.Platform, read ReadBlob) (v1.Descriptor, error) {
	found, err := Find(list, platform, read)
	if err != nil && !errors.Is(err, ErrPlatform) || platform != nil && platform.Variant != "" {
		return found, err
	}
	s := newSearch(platform, read)
	first, firstErr := s.first(list)
	switch {
	case firstErr != nil:
		return found, firstErr
	case first == nil && err != nil, first != nil && err == nil && sameImage(*first, found):
		return found, err
	case first == nil:
		err = fmt.Errorf("manifest %s is not for %s, as this machine: %w", found.Digest, PlatformName(s.platform), tolerance.ErrRefused)
	case first.Platform == nil:
		err = fmt.Errorf("manifest %s of an artifact comes before the one that fits: %w", first.Digest, tolerance.ErrRefused)
	default:
		err = fmt.Errorf("manifest %s for %s is the first one for its architecture, but not the one that fits: %w",
			first.Digest, PlatformName(*first.Platform), tolerance.ErrRefused)
	}
	return v1.Descriptor{}, err
}

// sameImage reports whether two manifests are the same image but for the compression.
func sameImage(a, b v1.Descriptor) bool {
	return a.Digest == b.Digest || named(a.Platform) && named(b.Platform) && samePlatform(*a.Platform, *b.Platform)
}

// first returns the manifest that the reference takes: the first one, also in an index, whose
// system and architecture fit, whatever its variant, or that is an artifact's. It returns nil
// if there is none.
func (s *search) first(list []v1.Descriptor) (*v1.Descriptor, error) {
	for _, d := range list {
		if isIndex(d.MediaType) {
			found, err := s.firstOf(d)
			if err != nil || found != nil {
				return found, err
			}
			continue
		}
		fits, err := s.fits(&d)
		if err != nil || fits {
			return &d, err
		}
	}
	return nil, nil
}

// firstOf is first for what an index lists.
func (s *search) firstOf(d v1.Descriptor) (*v1.Descriptor, error) {
	text, err := s.readNew(d)
	if err != nil || text == nil {
		return nil, err
	}
	index, err := ParseIndex(text, d.MediaType)
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", d.Digest, err)
	}
	return s.first(index.Manifests)
}

// fits reports whether the reference takes a manifest, and completes its platform.
func (s *search) fits(d *v1.Descriptor) (bool, error) {
	if !named(d.Platform) {
		text, err := s.readNew(*d)
		if err != nil || text == nil {
			return false, err
		}
		p, err := platformOf(*d, text, s.read)
		if err != nil || p == nil {
			return err == nil, err
		}
		d.Platform = p
	}
	return d.Platform.OS == s.platform.OS && d.Platform.Architecture == s.platform.Architecture, nil
}
