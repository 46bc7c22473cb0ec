package survey

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"cfs/lib/graph"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// The ranks of the graph of a repository.
const (
	rankTag = iota
	rankManifest
	rankConfig
	rankLayer // and of EROFS images
)

// Grapher makes the graph of a repository: tag, manifest, config, layers and EROFS images.
// Each of them is one node, whatever leads to it.
type Grapher struct {
	repo      *repo.Repo
	graph     graph.Graph
	manifests map[digest.Digest]*graph.Node
	configs   map[verity.ID]*graph.Node
	layers    map[verity.ID]*graph.Node
	images    map[verity.ID]*graph.Node

	order []verity.ID // of the layers
	keys  map[verity.ID]oci.Key
}

// NewGrapher returns a grapher of an empty graph.
func NewGrapher(r *repo.Repo) *Grapher {
	return &Grapher{repo: r, manifests: map[digest.Digest]*graph.Node{}, configs: map[verity.ID]*graph.Node{},
		layers: map[verity.ID]*graph.Node{}, images: map[verity.ID]*graph.Node{}, keys: map[verity.ID]oci.Key{}}
}

// AddTag adds a tag and what it leads to.
func (g *Grapher) AddTag(tag oci.NamedManifest) error {
	n, err := g.manifest(tag.Manifest)
	if err == nil {
		g.graph.Roots = append(g.graph.Roots, &graph.Node{Rank: rankTag, Name: tag.Tag, To: []*graph.Node{n}})
	}
	return err
}

// AddManifest adds a manifest, to which no tag need lead.
func (g *Grapher) AddManifest(d digest.Digest) error {
	n, err := g.manifest(d)
	if err == nil {
		g.graph.Roots = append(g.graph.Roots, n)
	}
	return err
}

func (g *Grapher) manifest(d digest.Digest) (*graph.Node, error) {
	if n := g.manifests[d]; n != nil {
		return n, nil
	}
	image, err := oci.OpenImage(g.repo, d)
	if err != nil {
		return nil, err
	}
	n := &graph.Node{Rank: rankManifest, Name: "manifest " + ShortDigest(d.String()), Notes: image.Manifest.ArtifactType}
	config, err := g.config(image)
	if err != nil {
		return nil, err
	}
	n.To = append(n.To, config)
	g.manifests[d] = n
	return n, nil
}

// config returns the node of an image's config. One config has different layers in the
// manifests of artifacts, so there it is a node for each.
func (g *Grapher) config(image *oci.Image) (*graph.Node, error) {
	id := image.Config.ID
	if n := g.configs[id]; n != nil && image.Manifest.IsContainer() {
		return n, nil
	}
	n := &graph.Node{Rank: rankConfig, Name: "config " + ShortDigest(image.Config.Digest.String())}
	for _, key := range image.Keys {
		n.To = append(n.To, g.layer(image.Stream(key), key))
	}
	for _, key := range image.Config.ImageKeys() {
		v, ok := variant.ParseKey(key)
		if !ok {
			continue
		}
		to, err := g.image(image.Config.Images[key], v)
		if err != nil {
			return nil, err
		}
		n.To = append(n.To, to)
	}
	g.configs[id] = n
	return n, nil
}

func (g *Grapher) layer(stream verity.ID, key oci.Key) *graph.Node {
	if n := g.layers[stream]; n != nil {
		return n
	}
	n := &graph.Node{Rank: rankLayer, Name: "layer " + ShortDigest(key.String())}
	g.layers[stream], g.keys[stream] = n, key
	g.order = append(g.order, stream)
	return n
}

func (g *Grapher) image(id verity.ID, v variant.Variant) (*graph.Node, error) {
	if n := g.images[id]; n != nil {
		return n, nil
	}
	n := &graph.Node{Rank: rankLayer, Name: "image " + ShortDigest(id.String()), Notes: fmt.Sprintf("%s, format %d", v.Name(), v.Format)}
	named, err := namedImage(g.repo, id)
	if err != nil {
		return nil, err
	}
	if named == "" {
		n.Notes += ", not stored"
	} else if size, err := g.repo.Objects.Size(id); err == nil {
		n.Notes += ", " + Size(size)
	} else {
		return nil, err
	}
	g.images[id] = n
	return n, nil
}

// Graph returns the graph, with the sizes of layers, and how much of each another layer has
// too. failed is told of layers of which that is not known, by their keys.
func (g *Grapher) Graph(failed func(oci.Key, error)) graph.Graph {
	for i, c := range costsOf(g.repo, g.order) {
		n := g.layers[g.order[i]]
		switch shared := c.Bytes - c.Unique; {
		case c.Err != nil:
			failed(g.keys[g.order[i]], c.Err)
			n.Notes = "?"
		case shared > 0:
			n.Notes = fmt.Sprintf("%s, %s of it shared", Size(c.Bytes), Size(shared))
		default:
			n.Notes = Size(c.Bytes)
		}
	}
	return g.graph
}
