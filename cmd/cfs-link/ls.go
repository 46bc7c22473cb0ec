package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
)

// entry is a line of ls; its JSON names are ours.
type entry struct {
	Name         string `json:"name"`
	Manifest     string `json:"manifest"`
	Container    bool   `json:"container"`
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Layers       int    `json:"layers"`
	Image        string `json:"image"` // EROFS, in the default format; "" if there is none
	Boot         string `json:"boot"`
}

// list prints a line for each tag.
func (o *options) list() error {
	return o.withRepo(0, o.openToRead, func(r *repo.Repo) error {
		k := listing{options: o, repo: r}
		tags := k.tags()
		out := json.NewEncoder(os.Stdout)
		for _, t := range tags {
			e, err := describe(r, t)
			if err != nil {
				k.lacks(t, err)
				continue
			}
			if o.missing && (!e.Container || e.Image != "") {
				continue
			}
			if o.JSON {
				err = out.Encode(e)
			} else {
				_, err = fmt.Println(e.text())
			}
			if err != nil {
				return err
			}
		}
		return k.end()
	})
}

func describe(r *repo.Repo, t oci.NamedManifest) (entry, error) {
	image, err := oci.OpenImage(r, t.Manifest)
	if err != nil {
		return entry{}, err
	}
	e := entry{Name: t.Tag, Manifest: t.Manifest.String(), Container: image.Manifest.IsContainer(), Layers: len(image.Keys)}
	if !e.Container {
		return e, nil
	}
	config, _, err := manifest.ParseStoredConfig(image.Config.JSON)
	if err != nil {
		return e, err
	}
	e.OS, e.Architecture = config.Platform.OS, config.Platform.Architecture
	for _, boot := range []bool{false, true} {
		id := image.Config.Images[variant.Variant{Boot: boot, Format: r.Formats[0]}.Key()]
		if id.IsZero() {
			continue
		}
		if _, err := r.Lookup(repo.Images, id.String()); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return e, err
		}
		if boot {
			e.Boot = id.String()
		} else {
			e.Image = id.String()
		}
	}
	return e, nil
}

// text is: name, manifest, EROFS image or "-" or "artifact".
func (e entry) text() string {
	image := e.Image
	switch {
	case !e.Container:
		image = "artifact"
	case image == "":
		image = "-"
	}
	return fmt.Sprintf("%s\t%s\t%s", e.Name, e.Manifest, image)
}
