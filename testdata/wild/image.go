package wild

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"strings"

	"cfs/testdata/rawtar"
)

// The names in the folder of a case.
const (
	layoutName  = "layout"
	archiveName = "archive.tar"
)

// The media types of the image specification.
const (
	typePrefix   = "application/vnd.oci.image."
	typeIndex    = typePrefix + "index.v1+json"
	typeManifest = typePrefix + "manifest.v1+json"
	typeConfig   = typePrefix + "config.v1+json"
	typeTar      = typePrefix + "layer.v1.tar"
	typeGzip     = typeTar + "+gzip"
	typeZstd     = typeTar + "+zstd"
)

// files are the files of a case, by their paths.
type files map[string][]byte

func (c Case) files() files {
	out := files{}
	if c.Tags != nil {
		out[archiveName] = c.archive()
		return out
	}
	var top string
	if c.Platforms == nil {
		top = c.image(out, amd64, c.Layers)
	} else {
		top = c.index(out)
	}
	top = strings.TrimSuffix(top, "}") + `,"annotations":{"org.opencontainers.image.ref.name":"` + c.Name + `"}}`
	text := `{"schemaVersion":2,"manifests":[` + top + `]}`
	out[layoutName+"/index.json"] = []byte(c.Layout.apply(text))
	if !c.NoMarker {
		out[layoutName+"/oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	}
	return out
}

// index adds an image for each platform, and the index of them. It returns its descriptor.
func (c Case) index(out files) string {
	var list []string
	for _, p := range c.Platforms {
		l := layer(rawtar.Dir("usr/"), rawtar.File("usr/"+strings.ReplaceAll(p, "/", "-"), p))
		d := c.image(out, p, []Layer{l})
		list = append(list, strings.TrimSuffix(d, "}")+`,"platform":{`+platform(p)+`}}`)
	}
	text := `{"schemaVersion":2,"mediaType":"` + typeIndex + `","manifests":[` + strings.Join(list, ",") + `]}`
	return c.blob(out, typeIndex, []byte(c.Index.apply(text)))
}

// image adds an image of layers, and returns the descriptor of its manifest.
func (c Case) image(out files, p string, layers []Layer) string {
	var list []string
	for _, l := range layers {
		data := l.Tar
		if l.Pack != nil {
			data = l.Pack(data)
		}
		if l.Type == "" {
			l.Type = typeTar
		}
		list = append(list, c.blob(out, l.Type, data))
	}
	config := c.blob(out, typeConfig, []byte(c.Config.apply(configText(p, layers))))
	text := `{"schemaVersion":2,"mediaType":"` + typeManifest + `","config":` + config + `,"layers":[` + strings.Join(list, ",") + `]}`
	return c.blob(out, typeManifest, []byte(c.Manifest.apply(text)))
}

func configText(p string, layers []Layer) string {
	var diffIDs []string
	for _, l := range layers {
		diffIDs = append(diffIDs, fmt.Sprintf(`"sha256:%x"`, sha256.Sum256(l.Tar)))
	}
	return `{` + platform(p) + `,"config":{},"rootfs":{"type":"layers","diff_ids":[` + strings.Join(diffIDs, ",") + `]}}`
}

// platform returns the keys of a platform that is written OS/ARCH[/VARIANT].
func platform(p string) string {
	part := append(strings.Split(p, "/"), "")
	text := `"architecture":"` + part[1] + `","os":"` + part[0] + `"`
	if part[2] != "" {
		text += `,"variant":"` + part[2] + `"`
	}
	return text
}

// blob adds a blob, and returns its descriptor.
func (c Case) blob(out files, mediaType string, data []byte) string {
	algorithm, sum := "sha256", fmt.Sprintf("%x", sha256.Sum256(data))
	if c.SHA512 {
		algorithm, sum = "sha512", fmt.Sprintf("%x", sha512.Sum512(data))
	}
	out[layoutName+"/blobs/"+algorithm+"/"+sum] = data
	return fmt.Sprintf(`{"mediaType":%q,"digest":"%s:%s","size":%d}`, mediaType, algorithm, sum, len(data))
}

// archive returns the archive of docker save.
func (c Case) archive() []byte {
	config := c.Config.apply(configText("linux/amd64", c.Layers))
	var members []rawtar.Member
	var names, tags []string
	for i, l := range c.Layers {
		name := fmt.Sprintf("%d/layer.tar", i)
		names = append(names, `"`+name+`"`)
		members = append(members, rawtar.File(name, string(l.Tar)))
	}
	for _, tag := range c.Tags {
		tags = append(tags, `"`+tag+`"`)
	}
	list := `[{"Config":"config.json","RepoTags":[` + strings.Join(tags, ",") + `],"Layers":[` + strings.Join(names, ",") + `]}]`
	return rawtar.Tar(append(members, rawtar.File("config.json", config), rawtar.File("manifest.json", c.Manifest.apply(list)))...)
}
