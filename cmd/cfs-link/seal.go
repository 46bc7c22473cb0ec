package main

import (
	"crypto/x509"
	"fmt"
	"os"

	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/signature"
	"cfs/lib/signed"
	"cfs/lib/tool"
)

// seal writes the digests of an image into the annotations of a new manifest, and moves the tag to
// it.
func (o *options) seal() error {
	open := o.OpenToWrite
	if o.dryRun {
		open = o.openToRead
	}
	return o.withImage(open, func(r *repo.Repo, image *signed.Image) error {
		return o.inline(r, image, nil, nil)
	})
}

// inline is seal with a signer, or without.
func (o *options) inline(r *repo.Repo, image *signed.Image, cert *x509.Certificate, s *signature.Signer) error {
	list, err := image.Seal(r, o.config, s)
	if err != nil {
		return unsignedHint(err)
	}
	if o.dryRun {
		for _, a := range list {
			if _, err := fmt.Fprintln(os.Stdout, a.Key, a.Value); err != nil {
				return err
			}
		}
		return nil
	}
	name := o.Operands[0]
	tagged, err := oci.Tag(r, name)
	if err != nil || tagged != image.Digest {
		return tool.UsageError("%q is no tag: want the tag that is to move to the new manifest", name)
	}
	release, err := r.LockStreams(o.Lock(true))
	if err != nil {
		return err
	}
	defer release()
	done, err := o.annotated(r, image, list, cert)
	if err != nil {
		return err
	}
	if err := oci.SetTag(r, name, done.Manifest.Digest); err != nil {
		return err
	}
	return o.writeLast(r, done, name)
}

// annotated returns the image with annotations: the same, if it has them.
func (o *options) annotated(r *repo.Repo, image *signed.Image, list []signed.Annotation, cert *x509.Certificate) (*oci.Image, error) {
	stored, err := oci.OpenImage(r, image.Digest)
	if err != nil {
		return nil, err
	}
	if sealed, err := image.IsSealed(r, list, cert); err != nil || sealed {
		return stored, err
	}
	return image.Annotate(r, list, stored.Manifest.Streams)
}

// writeLast writes the records of a tag and of its manifest.
func (o *options) writeLast(r *repo.Repo, image *oci.Image, name string) error {
	list, err := pull.Records(r, image, nil)
	if err != nil {
		return err
	}
	out := o.Records()
	for _, rec := range []record.Record{pull.Tag{Manifest: image.Manifest.Digest, Name: name}.Record(), list[len(list)-1]} {
		if err := out.Write(rec); err != nil {
			return err
		}
	}
	return nil
}

// export writes the signature artifacts of an image into a layout that has it.
func (o *options) export() error {
	return o.withRepo(2, 2, o.openToRead, func(r *repo.Repo) error {
		image, err := lookup.Image(r, o.Operands[0])
		if err != nil {
			return err
		}
		artifacts, err := signed.Export(r, image.Manifest.Digest, o.Operands[1])
		if err != nil {
			return err
		}
		out := o.Records()
		for _, m := range artifacts {
			if err := out.Write(pull.StoredReferrer(m).Record()); err != nil {
				return err
			}
		}
		return nil
	})
}
