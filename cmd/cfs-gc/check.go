package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"cfs/lib/corrupt"
	"cfs/lib/fsck"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tool"
)

func check(c *cli.Context) error {
	if c.NArg() > 1 {
		return tool.UsageError("want one NAME, or none")
	}
	repair := c.Bool("repair")
	r, err := tool.OpenRepo(c, repair)
	if err != nil {
		return err
	}
	defer r.Close()
	if repair {
		if err := r.Writable(); err != nil {
			return err
		}
	}
	k := fsck.Checker{Repo: r, Content: c.Bool("content")}
	if c.NArg() == 1 {
		k.Image = c.Args().First()
		if k.Only, err = reach(r, k.Image); err != nil {
			return err
		}
	}
	report, err := k.Run()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = printJSON(report)
	} else {
		err = printText(report)
	}
	if err != nil {
		return err
	}
	if len(report.Problems) == 0 {
		return nil
	}
	if repair {
		objects, names, err := k.Repair()
		if err != nil {
			return err
		}
		tool.Warn(c, "repaired: removed %d objects and %d names; pull the damaged images again", objects, names)
	}
	return tool.Silent(tool.Corrupt)
}

// reach returns what one image needs, as far as it can be found.
func reach(r *repo.Repo, name string) (*oci.Reach, error) {
	image, err := oci.FindImage(r, name)
	if err != nil {
		if _, tagged := oci.Tag(r, name); tagged == nil && errors.Is(err, fs.ErrNotExist) {
			err = corrupt.Errorf("tag %q: %w", name, err) // what is missing is not the tag
		}
		return nil, err
	}
	k := oci.NewReach(r, func(error) {})
	// What cannot be read is what the check is about to tell.
	_ = k.AddStream(image.Manifest.ID)
	return k, nil
}

func printText(report fsck.Report) error {
	fmt.Println("meta.json: ok")
	for _, n := range []struct {
		name string
		fsck.Count
	}{{"objects", report.Objects}, {"streams", report.Streams}, {"images", report.Images}, {"oci images", report.Tags}} {
		fmt.Printf("%s: %d/%d ok\n", n.name, n.Good, n.Total)
	}
	if len(report.Problems) == 0 {
		_, err := fmt.Println("status: ok")
		return err
	}
	fmt.Printf("status: %d error(s)\n", len(report.Problems))
	for _, p := range report.Problems {
		fmt.Printf("  - %s\n", p)
	}
	return nil
}

func printJSON(report fsck.Report) error {
	errors := []string{}
	for _, p := range report.Problems {
		errors = append(errors, p.String())
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"ok":              len(errors) == 0,
		"objects_checked": report.Objects.Total, "objects_corrupted": report.Objects.Total - report.Objects.Good,
		"streams_checked": report.Streams.Total, "streams_corrupted": report.Streams.Total - report.Streams.Good,
		"images_checked": report.Images.Total, "images_corrupted": report.Images.Total - report.Images.Good,
		"tags_checked": report.Tags.Total, "tags_corrupted": report.Tags.Total - report.Tags.Good,
		"errors": errors,
	})
}
