package survey

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/variant"
)

// Image is what people want to know of a stored container image or artifact.
type Image struct {
	Version      int               `json:"v"` // of this form
	Manifest     digest.Digest     `json:"manifest"`
	MediaType    string            `json:"media_type,omitempty"`
	ArtifactType string            `json:"artifact_type,omitempty"`
	Config       digest.Digest     `json:"config"`
	Container    bool              `json:"container"`
	Platform     string            `json:"platform,omitempty"`
	Created      string            `json:"created,omitempty"`
	Author       string            `json:"author,omitempty"`
	Entrypoint   []string          `json:"entrypoint,omitempty"`
	Cmd          []string          `json:"cmd,omitempty"`
	Env          []string          `json:"env,omitempty"`
	User         string            `json:"user,omitempty"`
	WorkingDir   string            `json:"working_dir,omitempty"`
	StopSignal   string            `json:"stop_signal,omitempty"`
	Ports        []string          `json:"ports,omitempty"`
	Volumes      []string          `json:"volumes,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Layers       []Layer           `json:"layers"`
	Images       []EROFS           `json:"images"`
	Tags         []record.Text     `json:"tags"`              // that lead to it
	Sources      []record.Text     `json:"sources,omitempty"` // where these were pulled from
}

// Layer is a layer, or a blob of an artifact.
type Layer struct {
	Digest    digest.Digest `json:"digest"`
	DiffID    digest.Digest `json:"diff_id,omitempty"`
	MediaType string        `json:"media_type"`
	Size      int64         `json:"size"` // of the blob, as the manifest says
	Stream    string        `json:"stream,omitempty"`
}

// EROFS is an EROFS image.
type EROFS struct {
	Digest  string `json:"digest"`
	Variant string `json:"variant"` // "plain" or "boot"
	Format  int    `json:"format"`
	Xattrs  string `json:"xattrs,omitempty"` // the mode, unless it is the default
	Stored  bool   `json:"stored"`
}

// DescribeImage returns what an image is, and which of tags lead to it.
func DescribeImage(r *repo.Repo, image *oci.Image, tags []oci.NamedManifest) (Image, error) {
	m := image.Manifest
	i := Image{
		Version: record.JSONVersion, Manifest: m.Digest, MediaType: m.MediaType, ArtifactType: m.ArtifactType, Config: image.Config.Digest,
		Container: m.IsContainer(), Annotations: m.Annotations, Layers: []Layer{}, Images: []EROFS{}, Tags: []record.Text{},
	}
	for n, l := range m.Layers {
		layer := Layer{Digest: l.Digest, MediaType: l.MediaType, Size: l.Size}
		if i.Container {
			layer.DiffID = digest.Digest(image.Keys[n])
		}
		if id := image.Stream(image.Keys[n]); !id.IsZero() {
			layer.Stream = id.String()
		}
		i.Layers = append(i.Layers, layer)
	}
	if err := i.addTags(r, tags); err != nil || !i.Container {
		return i, err
	}
	if err := i.addConfig(image.Config.JSON); err != nil {
		return i, err
	}
	return i, i.addImages(r, image.Config)
}

// addTags adds the tags that lead to it, and each place where they were pulled from.
func (i *Image) addTags(r *repo.Repo, tags []oci.NamedManifest) error {
	for _, tag := range tags {
		if tag.Manifest != i.Manifest {
			continue
		}
		i.Tags = append(i.Tags, record.Text(tag.Tag))
		source, err := oci.SourceOf(r, tag)
		if err != nil {
			return err
		}
		if source := record.Text(source); source != "" && !slices.Contains(i.Sources, source) {
			i.Sources = append(i.Sources, source)
		}
	}
	return nil
}

// addConfig adds what the config says.
func (i *Image) addConfig(text []byte) error {
	config, _, err := manifest.ParseStoredConfig(text)
	if err != nil {
		return err
	}
	i.Platform = manifest.PlatformName(config.Platform)
	d := manifest.ParseDetails(text)
	i.Created, i.Author, i.Labels = d.Created, d.Author, d.Runtime.Labels
	i.Entrypoint, i.Cmd, i.Env = d.Runtime.Entrypoint, d.Runtime.Cmd, d.Runtime.Env
	i.User, i.WorkingDir, i.StopSignal = d.Runtime.User, d.Runtime.WorkingDir, d.Runtime.StopSignal
	i.Ports, i.Volumes = sortedKeys(d.Runtime.ExposedPorts), sortedKeys(d.Runtime.Volumes)
	return nil
}

// addImages adds the EROFS images, in the order of the config's references.
func (i *Image) addImages(r *repo.Repo, config *oci.Config) error {
	for _, key := range config.ImageKeys() {
		v, ok := variant.ParseKey(key)
		if !ok { // of a kind that is not known here
			continue
		}
		id := config.Images[key]
		e := EROFS{Digest: id.String(), Variant: v.Name(), Format: int(v.Format)}
		if v.Xattrs != variant.AllowlistOnly {
			e.Xattrs = v.Xattrs.String()
		}
		named, err := namedImage(r, id)
		if err != nil {
			return err
		}
		e.Stored = named != ""
		i.Images = append(i.Images, e)
	}
	return nil
}
