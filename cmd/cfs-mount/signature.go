package main

import (
	"errors"
	"io/fs"

	"cfs/lib/corrupt"
	"cfs/lib/lookup"
	"cfs/lib/missing"
	"cfs/lib/repo"
	"cfs/lib/seal"
	"cfs/lib/signed"
	"cfs/lib/tool"
	"cfs/lib/verity"
)

// checkSignature refuses an image of which the EROFS image id, which is about to be mounted, is
// not signed.
func (o *options) checkSignature(r *repo.Repo, name string, id verity.ID) error {
	if o.require.Value == "" {
		return nil
	}
	if !r.Secure {
		return errors.New("the repository is not protected by fs-verity: nothing would enforce the signature")
	}
	trusted, err := signed.ReadCertificates(o.trusted.Value()...)
	if err != nil {
		return err
	}
	found, err := lookup.Container(r, name)
	if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
		return tool.UsageError("%q is an EROFS image of no container image, and so has no signatures", name)
	}
	if err != nil {
		return err
	}
	image, err := signed.Stored(r, found)
	if err != nil {
		return err
	}
	return o.verify(r, image, seal.Wanted{Trusted: trusted, Role: o.role(), Image: o.require.Value == "image"}, id)
}

// role is what must be signed.
func (o *options) role() seal.Role {
	if o.bootable {
		return seal.Bootable
	}
	return seal.Merged
}

// verify checks that the digest with a good signature is the one that is mounted.
func (o *options) verify(r *repo.Repo, image *signed.Image, w seal.Wanted, id verity.ID) error {
	list, warnings, err := image.Verify(r, w)
	for _, text := range warnings {
		o.Warn("warning: %s", text)
	}
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Role == w.Role && s.State == seal.Verified && s.ID == id {
			return nil
		}
	}
	return missing.Errorf("EROFS image %s is not the %s image of format 1, which is the one that is signed", id, w.Role)
}
