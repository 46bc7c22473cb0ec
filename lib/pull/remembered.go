package pull

import (
	"errors"
	"io/fs"
	"slices"

	"cfs/lib/built"
	"cfs/lib/corrupt"
	"cfs/lib/oci"
	"cfs/lib/tolerance"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// remembered returns the images of a container image if all that are wanted were made of
// the same layers before, and are linked; nil if they must be made. Rules that are not the
// default ones might refuse what was read then.
func (m *Maker) remembered(link *oci.Link) (made []ErofsImage, err error) {
	if !link.IsContainer() || !m.Rules.AreDefault() || !m.Boot.Expected.IsZero() {
		return nil, nil
	}
	if err := link.CheckLayers(m.repo); err != nil {
		return nil, err
	}
	config, err := oci.OpenNamedConfig(m.repo, link.Manifest.Config.Digest)
	if corrupt.OrMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	streams := streamsOf(link)
	for i, key := range link.Keys {
		if config.Layers[key] != streams[i] {
			return nil, nil // linked again since
		}
	}
	memo, err := built.Read(m.repo, config.Digest)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !slices.Equal(memo.Streams, streams) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, v := range m.variants() {
		image, ok := memo.Image(v)
		if !ok || config.Images[v.Key()] != image.ID {
			return nil, nil
		}
		if there, err := image.IsThere(m.repo); !there || err != nil {
			return nil, err
		}
		made = append(made, ErofsImage{ID: image.ID, Variant: v})
	}
	for _, image := range made { // whose names may be those of a killed pull, not flushed yet
		if err := oci.NameEROFS(m.repo, image.ID); err != nil {
			return nil, err
		}
	}
	m.Rules.Repeat(memo.Warnings)
	return made, nil
}

// remember writes what images were made of. That it cannot be written is no failure: they
// are made again if it is not known.
func (m *Maker) remember(link *oci.Link, made []ErofsImage, rules *tolerance.Rules) {
	if !link.IsContainer() || !rules.AreDefault() {
		return
	}
	memo := built.Memo{Config: link.Manifest.Config.Digest, Streams: streamsOf(link), Warnings: rules.Warnings()}
	var err error
	for _, image := range made {
		i := built.Image{Variant: image.Variant, ID: image.ID}
		if i.Size, err = m.repo.Objects.Size(image.ID); err != nil {
			break
		}
		memo.Images = append(memo.Images, i)
	}
	if err == nil {
		err = memo.Write(m.repo)
	}
	if err != nil {
		m.Warn("warning: manifest %s: the memo of its images was not written: %v", link.Digest, err)
	}
}

// variants returns those of the images that are wanted.
func (m *Maker) variants() (list []variant.Variant) {
	for _, f := range m.formats() {
		list = append(list, variant.Variant{Format: f})
	}
	if m.Boot.Bootable {
		for _, f := range m.formats() {
			list = append(list, variant.Variant{Boot: true, Format: f, Xattrs: m.Boot.Xattrs})
		}
	}
	return list
}

// streamsOf returns the streams of the layers in order.
func streamsOf(link *oci.Link) []verity.ID {
	streams := make([]verity.ID, len(link.Keys))
	for i, key := range link.Keys {
		streams[i] = link.Streams[key]
	}
	return streams
}
