package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"cfs/lib/mount"
	"cfs/lib/record"
	"cfs/lib/survey"
	"cfs/lib/terminal"
	"cfs/lib/tool"
)

var rules = tool.Rules{
	{If: "require-signature", Needs: []string{"trust-cert"}}, {If: "trust-cert", Needs: []string{"require-signature"}},
	{If: "list", Not: "bootable"}, {If: "list", Not: "require-verity"}, {If: "list", Not: "upperdir"},
	{If: "list", Not: "workdir"}, {If: "list", Not: "read-write"}, {If: "list", Not: "options"}, {If: "list", Not: "require-signature"}, {If: "list", Not: "insecure"},
	{If: "list", Not: "fuse"}, {If: "list", Not: "foreground"}, {If: "list", Not: "verify"}, {If: "list", Not: "log"},
	{If: "insecure", Not: "require-verity"}, {If: "insecure", Not: "require-signature"}, {If: "insecure", Not: "options"}, {If: "json", Needs: []string{"list"}},
}

// printList lists the mounts that the caller sees, with the names that the repository has for
// their images. Without a repository they have none.
func (o *options) printList() error {
	if len(o.Operands) > 0 {
		return o.Unexpected()
	}
	mounts, err := mount.Points()
	if err != nil {
		return err
	}
	names, failed := o.names()
	points := make([]survey.Point, len(mounts))
	for i, p := range mounts {
		points[i] = survey.DescribePoint(p, names)
	}
	if err := o.printPoints(points); err != nil {
		return err
	}
	if failed != nil {
		return tool.Silent(tool.Status(failed))
	}
	return nil
}

// names returns the names of EROFS images. What keeps them from being all it warns of, and
// returns the first of it.
func (o *options) names() (names map[string][]string, failed error) {
	fail := func(err error) {
		o.Warn("names: %v", err)
		if failed == nil {
			failed = err
		}
	}
	r, err := o.OpenRepo(false)
	if errors.Is(err, fs.ErrNotExist) && !o.Given("repo") {
		return nil, nil
	}
	if err != nil {
		fail(err)
		return nil, failed
	}
	defer r.Close()
	names = survey.ImageNames(r, fail)
	return names, failed
}

func (o *options) printPoints(points []survey.Point) error {
	if !o.JSON && terminal.Is(os.Stdout) {
		return survey.Table{}.WritePoints(os.Stdout, points)
	}
	for _, p := range points {
		var err error
		if o.JSON {
			err = record.WriteJSON(os.Stdout, p)
		} else {
			_, err = fmt.Println(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
