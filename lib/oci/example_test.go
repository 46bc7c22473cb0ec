package oci_test

import (
	"context"
	"fmt"
	"os"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/flock"
	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// What cfs-pull does with an image in an OCI layout: each layer becomes a splitstream with
// a name, the layers become an EROFS image, config and manifest refer to all of it, and a
// tag leads to the manifest.
func Example() {
	dir, err := os.MkdirTemp("", "repo")
	check(err)
	defer os.RemoveAll(dir)
	check(repo.Init(dir+"/repo", repo.New{Algorithm: verity.SHA256, Formats: []variant.Format{variant.V1}, Insecure: true}))
	r, err := repo.Open(dir+"/repo", flock.Lock{})
	check(err)
	defer r.Close()

	layout, err := manifest.OpenLayout("../../testdata/demo-image")
	check(err)
	d, err := layout.Resolve("latest", nil, false)
	check(err)
	text, err := layout.ReadAll(d)
	check(err)
	m, err := manifest.Parse(text)
	check(err)
	config, err := layout.ReadAll(m.Config)
	check(err)
	link, err := oci.NewLink(d.Digest, text, config)
	check(err)

	for i, l := range m.Layers {
		link.Streams[link.Keys[i]], err = importLayer(r, layout, l, link.Keys[i])
		check(err)
	}
	root, err := link.Tree(r, variant.AllowlistOnly, nil)
	check(err)
	id, err := oci.StoreImage(r, root, variant.V1)
	check(err)
	link.Images[variant.Variant{Format: variant.V1}] = id
	image, err := link.Write(r)
	check(err)
	check(oci.SetTag(r, "demo", image.Manifest.Digest))

	found, err := oci.OpenImage(r, image.Manifest.Digest)
	check(err)
	fmt.Println(len(found.Keys), "layers;", found.Config.ImageKeys())
	// Output:
	// 2 layers; [composefs.image.v1]
}

// importLayer stores a layer, and gives its stream the name by which others find it.
func importLayer(r *repo.Repo, layout *manifest.Layout, d v1.Descriptor, key oci.Key) (verity.ID, error) {
	path, err := layout.Path(d.Digest)
	if err != nil {
		return verity.ID{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return verity.ID{}, err
	}
	defer f.Close()
	compression, _ := manifest.LayerCompression(d.MediaType)
	src := oci.Source{Digest: d.Digest, Size: d.Size, DiffID: digest.Digest(key)}
	done, err := oci.ImportLayer(context.Background(), r, f, compression, src)
	if err != nil {
		return verity.ID{}, err
	}
	if err := r.Sync(); err != nil {
		return verity.ID{}, err
	}
	return done.Stream, r.Link(repo.Streams, oci.LayerName(key), done.Stream)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
