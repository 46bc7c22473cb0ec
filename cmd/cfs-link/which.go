package main

import (
	"fmt"
	"os"

	"cfs/lib/inspect"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/record"
	"cfs/lib/survey"
	"cfs/lib/terminal"
	"cfs/lib/tree"
)

// which lists the tags whose images hold a path.
func (o *options) which() error { return o.withListing(1, 1, (*listing).which) }

func (k *listing) which() error {
	path, found := k.Operands[0], false
	for _, tag := range k.tags() {
		n, err := k.at(tag, path)
		if err != nil {
			k.lacks(survey.TagRoot(tag), err)
		}
		if n == nil {
			continue
		}
		found = true
		if err := k.printHolder(holder(tag, n)); err != nil {
			return err
		}
	}
	if !found && k.failed == nil {
		return missing.Errorf("no image of a tag has %q", path)
	}
	return nil
}

// at returns what is at a path in the image of a tag, nil if there is nothing.
func (k *listing) at(tag oci.NamedManifest, path string) (*tree.Inode, error) {
	image, err := oci.OpenImage(k.repo, tag.Manifest)
	if err != nil {
		return nil, err
	}
	root, err := inspect.Root(k.repo, image)
	if err != nil || root == nil {
		return nil, err
	}
	return inspect.Holds(root, path)
}

func holder(tag oci.NamedManifest, n *tree.Inode) survey.Holder {
	h := survey.Holder{Version: record.JSONVersion, Name: record.Text(tag.Tag), Mode: inspect.Mode(n.Mode), Size: int64(n.Size)}
	if !n.Object.IsZero() {
		h.Object = n.Object.String()
	}
	if n.IsSymlink() {
		target := record.Text(n.Target)
		h.Target = &target
	}
	return h
}

func (k *listing) printHolder(h survey.Holder) error {
	if k.JSON {
		return record.WriteJSON(os.Stdout, h)
	}
	line := h.String()
	if terminal.Is(os.Stdout) {
		line = h.Line()
	}
	_, err := fmt.Println(line)
	return err
}
