package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/repo"
	"cfs/lib/tool"
	"cfs/lib/variant"
)

// withRepo opens the repository for a command with a number of operands.
func withRepo(c *cli.Context, operands int, write bool, do func(*repo.Repo, []string) error) error {
	if c.NArg() != operands {
		return tool.UsageError("want %d operands, have %d", operands, c.NArg())
	}
	open := func(c *cli.Context) (*repo.Repo, error) { return tool.OpenRepo(c, false) }
	if write {
		open = tool.OpenToWrite
	}
	r, err := open(c)
	if err != nil {
		return err
	}
	defer r.Close()
	return do(r, c.Args().Slice())
}

func show(c *cli.Context) error {
	return withRepo(c, 1, false, func(r *repo.Repo, args []string) error {
		image, err := oci.Find(r, args[0])
		if err != nil {
			return err
		}
		list, err := pull.Records(r, image, nil)
		if err != nil {
			return err
		}
		out := tool.Records(c)
		for _, rec := range list {
			if err := out.Write(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

func tag(c *cli.Context) error {
	return withRepo(c, 2, true, func(r *repo.Repo, args []string) error {
		if err := oci.CheckTag(args[1]); err != nil {
			return tool.UsageError("%w", err)
		}
		image, err := oci.Find(r, args[0])
		if err != nil {
			return err
		}
		return oci.SetTag(r, args[1], image.Manifest.Digest)
	})
}

func untag(c *cli.Context) error {
	return withRepo(c, 1, true, func(r *repo.Repo, args []string) error { return oci.RemoveTag(r, args[0]) })
}

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

func list(c *cli.Context) error {
	return withRepo(c, 0, false, func(r *repo.Repo, _ []string) error {
		tags, warnings := oci.Tags(r)
		for _, w := range warnings {
			tool.Warn(c, "%v", w)
		}
		out := json.NewEncoder(os.Stdout)
		for _, t := range tags {
			e, err := describe(r, t)
			if err != nil {
				tool.Warn(c, "tag %q: %v", t.Tag, err)
				continue
			}
			if c.Bool("missing") && (!e.Container || e.Image != "") {
				continue
			}
			if c.Bool("json") {
				err = out.Encode(e)
			} else {
				_, err = fmt.Println(e.text())
			}
			if err != nil {
				return err
			}
		}
		return nil
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
	var config v1.Image
	if err := json.Unmarshal(image.Config.JSON, &config); err != nil {
		return e, err
	}
	e.OS, e.Architecture = config.OS, config.Architecture
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
