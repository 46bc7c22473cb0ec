package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"cfs/lib/corrupt"
	"cfs/lib/lookup"
	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/seal"
	"cfs/lib/signature"
	"cfs/lib/signed"
	"cfs/lib/tool"
)

// wanted returns what must be signed, by the options.
func (o *options) wanted() (w seal.Wanted, err error) {
	w = seal.Wanted{Role: seal.Merged, Image: o.require.Value == "image"}
	w.Trusted, err = signed.ReadCertificates(o.trusted.Value()...)
	return w, err
}

// checkLink refuses an image that is not what it claims to be or, if that is asked for, not signed.
// It returns the records of its signatures.
func (o *options) checkLink(r *repo.Repo, l *oci.Link, artifacts []*oci.Link) (list []record.Record, err error) {
	image := signed.Linked(l, artifacts)
	if o.require.Value == "" {
		warnings, err := image.CheckClaims(r)
		o.warnAll(warnings)
		return nil, err
	}
	w, err := o.wanted()
	if err != nil {
		return nil, err
	}
	found, warnings, err := image.Verify(r, w)
	o.warnAll(warnings)
	if err != nil {
		return nil, unsignedHint(err)
	}
	if !r.Secure {
		o.Warn("warning: the signature is valid, but the repository is not protected by fs-verity: nothing enforces it when the image is mounted")
	}
	for _, s := range found {
		list = append(list, pull.SignatureRecord(s))
	}
	return list, nil
}

func (o *options) warnAll(warnings []string) {
	for _, text := range warnings {
		o.Warn("warning: %s", text)
	}
}

// unsignedHint adds what can be done about an image without a signature.
func unsignedHint(err error) error {
	if errors.Is(err, fs.ErrNotExist) && !corrupt.Is(err) {
		return tool.Hint(err, "cfs-fetch --with-referrers gets its signatures; cfs-mkerofs --erofs-version 1 makes the image that they are of")
	}
	return err
}

// withImage opens the repository, and the container image of the operand.
func (o *options) withImage(open func() (*repo.Repo, error), do func(*repo.Repo, *signed.Image) error) error {
	return o.withRepo(1, 1, open, func(r *repo.Repo) error {
		found, err := lookup.Container(r, o.Operands[0])
		if err != nil {
			return err
		}
		image, err := signed.Stored(r, found)
		if err != nil {
			return err
		}
		return do(r, image)
	})
}

// eachImage does something with the image of the operand or, if there is none, with those whose
// records come in, and the EROFS images that these name. The records that it returns are written
// to out, in a pipe among those that came in.
func (o *options) eachImage(open func() (*repo.Repo, error), out *record.Writer, do func(*repo.Repo, *signed.Image) ([]record.Record, error)) error {
	if len(o.Operands) > 0 {
		return o.withImage(open, func(r *repo.Repo, image *signed.Image) error {
			list, err := do(r, image)
			for _, rec := range list {
				err = errors.Join(err, out.Write(rec))
			}
			return err
		})
	}
	return o.filterImages(open, out, false, func(r *repo.Repo, image *signed.Image, manifest record.Record) ([]record.Record, error) {
		list, err := do(r, image)
		return append(list, manifest), err
	})
}

// filterImages does something with the images whose records come in. It writes the records that do returns in the place
// of the manifest's.
func (o *options) filterImages(open func() (*repo.Repo, error), out *record.Writer, replaces bool, do func(*repo.Repo, *signed.Image, record.Record) ([]record.Record, error)) error {
	e := &pull.Examiner{Open: open, Out: out, Replaces: replaces, Examine: func(r *repo.Repo, l *oci.Link, artifacts []*oci.Link, manifest record.Record) ([]record.Record, error) {
		return do(r, signed.Linked(l, artifacts), manifest)
	}}
	return o.Filter(out, tool.Stage{Handle: e.Handle, Finish: e.Finish, Close: e.Close, Product: true, From: "cfs-link show NAME | cfs-mkerofs"})
}

// verify prints the digests that are claimed of an image, if they and their signatures hold.
func (o *options) verify() error {
	w, err := o.wanted()
	if err != nil {
		return err
	}
	return o.eachImage(o.openToRead, o.Records(), func(r *repo.Repo, image *signed.Image) (list []record.Record, err error) {
		found, warnings, err := image.Verify(r, w)
		o.warnAll(warnings)
		if err != nil {
			return nil, unsignedHint(err)
		}
		for _, s := range found {
			list = append(list, pull.SignatureRecord(s))
		}
		return list, nil
	})
}

// tbs writes the bytes that a signature of an image is over.
func (o *options) tbs() error {
	role, err := seal.ParseRole(o.role)
	if err != nil {
		return tool.UsageError("--role: %w", err)
	}
	return o.eachImage(o.openToRead, &record.Writer{Out: io.Discard}, func(r *repo.Repo, image *signed.Image) ([]record.Record, error) {
		id, err := image.ID(r, role)
		if err != nil {
			return nil, unsignedHint(err)
		}
		_, err = os.Stdout.Write(signature.Bytes(id))
		return nil, err
	})
}

// sign stores signatures of an image as an artifact that belongs to it.
func (o *options) sign() error {
	switch err := o.Check(signRules); {
	case err != nil:
		return err
	case o.cert == "":
		return tool.UsageError("want --cert FILE")
	case o.key == "" && len(o.signatures.Value()) == 0:
		return tool.UsageError("want --key FILE or --signature ROLE=FILE")
	}
	if o.inlined {
		return o.signInline()
	}
	given, err := readSignatures(o.signatures.Value())
	if err != nil {
		return err
	}
	certs, err := signed.ReadCertificates(o.cert)
	if err != nil {
		return err
	}
	return o.eachImage(o.OpenToWrite, o.Records(), func(r *repo.Repo, image *signed.Image) ([]record.Record, error) {
		if _, err := oci.OpenManifest(r, image.Digest); err != nil {
			return nil, notLinked(err)
		}
		blobs := given
		if o.key != "" {
			if blobs, err = o.signatureOf(r, image, certs[0]); err != nil {
				return nil, unsignedHint(err)
			}
		}
		if err := image.Check(r, blobs, certs[0]); err != nil {
			return nil, err
		}
		return o.attach(r, image, blobs, certs[0])
	})
}

// notLinked adds what is to be done about records of an image that is not linked.
func notLinked(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return tool.Hint(err, "store the image with cfs-link --tag NAME before it is signed or sealed")
	}
	return err
}

// signInline signs an image in the annotations of a new manifest.
func (o *options) signInline() error {
	certs, err := signed.ReadCertificates(o.cert)
	if err != nil {
		return err
	}
	signer, err := o.signer(certs[0])
	if err != nil {
		return err
	}
	return o.inline(o.OpenToWrite, certs[0], signer)
}

// signatureOf signs by the key that the options name.
func (o *options) signatureOf(r *repo.Repo, image *signed.Image, cert *x509.Certificate) (map[seal.Role][]byte, error) {
	signer, err := o.signer(cert)
	if err != nil {
		return nil, err
	}
	return image.Sign(r, signer)
}

// signer returns who signs by the key that the options name.
func (o *options) signer(cert *x509.Certificate) (*signature.Signer, error) {
	text, err := signed.ReadFile(o.key)
	if err != nil {
		return nil, err
	}
	key, err := signature.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.key, err)
	}
	signer, err := signature.NewSigner(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", o.key, o.cert, err)
	}
	return signer, nil
}

// readSignatures reads the files that --signature ROLE=FILE names.
func readSignatures(list []string) (map[seal.Role][]byte, error) {
	blobs := make(map[seal.Role][]byte)
	for _, arg := range list {
		name, path, ok := strings.Cut(arg, "=")
		role, err := seal.ParseRole(name)
		if err != nil || !ok || path == "" {
			return nil, tool.UsageError("--signature %q: want ROLE=FILE; ROLE is manifest, config, merged or merged.bootable", arg)
		}
		if blobs[role] != nil {
			return nil, tool.UsageError("--signature: %s twice", role)
		}
		if blobs[role], err = signed.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return blobs, nil
}

// attach stores signatures, unless the image has them already, and returns the record of
// the artifact.
func (o *options) attach(r *repo.Repo, image *signed.Image, blobs map[seal.Role][]byte, cert *x509.Certificate) ([]record.Record, error) {
	release, err := r.LockStreams(o.Lock(true))
	if err != nil {
		return nil, err
	}
	defer release()
	var roles []seal.Role
	for role := range blobs {
		roles = append(roles, role)
	}
	d, ok, err := image.SignedBy(r, roles, cert)
	if err != nil {
		return nil, err
	}
	var artifact *oci.Manifest
	if ok {
		artifact, err = oci.OpenManifest(r, d)
	} else {
		var made *oci.Image
		if made, err = image.Attach(r, blobs); err == nil {
			artifact = made.Manifest
		}
	}
	if err != nil {
		return nil, err
	}
	return []record.Record{pull.StoredReferrer(artifact).Record()}, nil
}
