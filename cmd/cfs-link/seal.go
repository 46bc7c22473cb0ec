package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	return o.inline(open, nil, nil)
}

// inline is seal with a signer, or without. In a pipe the new manifest comes in the place of the old one, and
// has no tag yet.
func (o *options) inline(open func() (*repo.Repo, error), cert *x509.Certificate, s *signature.Signer) error {
	if len(o.Operands) > 0 {
		return o.withImage(open, func(r *repo.Repo, image *signed.Image) error {
			done, err := o.sealed(r, image, cert, s, o.Operands[0])
			if err != nil || done == nil {
				return err
			}
			return o.writeLast(r, done, o.Operands[0])
		})
	}
	out := o.Records()
	if o.dryRun {
		out = &record.Writer{Out: io.Discard}
	}
	return o.filterImages(open, out, true, func(r *repo.Repo, image *signed.Image, manifest record.Record) ([]record.Record, error) {
		done, err := o.sealed(r, image, cert, s, "")
		switch {
		case err != nil || done == nil:
			return nil, err
		case done.Manifest.Digest == image.Digest:
			return []record.Record{manifest}, nil
		}
		list, err := pull.Records(r, done, nil)
		if err != nil {
			return nil, err
		}
		return list[len(list)-1:], nil
	})
}

// sealed stores an image with its digests in the manifest, and moves the tag, unless that is "". With
// --dry-run it prints them and returns nil.
func (o *options) sealed(r *repo.Repo, image *signed.Image, cert *x509.Certificate, s *signature.Signer, tag string) (*oci.Image, error) {
	list, err := image.Seal(r, o.config, s)
	if err != nil {
		return nil, unsignedHint(err)
	}
	if o.dryRun {
		return nil, printAnnotations(list)
	}
	if tag != "" {
		switch tagged, err := oci.Tag(r, tag); {
		case errors.Is(err, fs.ErrNotExist), err == nil && tagged != image.Digest:
			return nil, tool.UsageError("%q is not a tag: want the tag to move to the new manifest", tag)
		case err != nil:
			return nil, err
		}
	}
	release, err := r.LockStreams(o.Lock(true))
	if err != nil {
		return nil, err
	}
	defer release()
	done, err := o.annotated(r, image, list, cert)
	if err != nil || tag == "" {
		return done, err
	}
	return done, oci.SetTag(r, tag, done.Manifest.Digest)
}

func printAnnotations(list []signed.Annotation) error {
	for _, a := range list {
		if _, err := fmt.Fprintln(os.Stdout, a.Key, a.Value); err != nil {
			return err
		}
	}
	return nil
}

// annotated returns the image with annotations: the same, if it has them.
func (o *options) annotated(r *repo.Repo, image *signed.Image, list []signed.Annotation, cert *x509.Certificate) (*oci.Image, error) {
	stored, err := oci.OpenImage(r, image.Digest)
	if err != nil {
		return nil, notLinked(err)
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

// export writes the signature artifacts of an image into a layout that has it. Without a name it
// passes on the records that come in.
func (o *options) export() error {
	if len(o.Operands) == 1 {
		return o.filterImages(o.openToRead, o.Records(), false, func(r *repo.Repo, image *signed.Image, manifest record.Record) ([]record.Record, error) {
			_, err := signed.Export(r, image.Digest, o.Operands[0])
			return []record.Record{manifest}, err
		})
	}
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
