package manifest

import "cfs/lib/corrupt"

// Saved is an image in the manifest.json of an archive of docker save: the names of its
// config and its layers in the archive, and its tags.
type Saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// ParseSaved reads the manifest.json of an archive of docker save.
func ParseSaved(text []byte) ([]Saved, error) {
	var list []Saved
	if err := decodeStrictly(text, savedSchema, &list); err != nil {
		return nil, corrupt.Errorf("manifest.json: %w", err)
	}
	return list, nil
}
