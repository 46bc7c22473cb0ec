package source

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/fd"
	"cfs/lib/manifest"
)

// layout is an image in a directory in the OCI image layout.
type layout struct {
	*manifest.Layout
	ref     string
	options Options
}

func openLayout(where string, o Options) (Source, error) {
	var l *manifest.Layout
	path, ref, err := splitRef(where, func(path string) (err error) {
		l, err = manifest.OpenLayout(path)
		return err
	})
	if err == nil {
		err = o.checkPath("oci", path)
	}
	if err != nil {
		return nil, err
	}
	return layout{l, ref, o}, nil
}

func (l layout) Manifest(_ context.Context, platform *v1.Platform) (v1.Descriptor, error) {
	list, err := l.Named(l.ref)
	if err != nil {
		return v1.Descriptor{}, err
	}
	l.options.tellSeveral(l.ref, list)
	return l.Choose(list, platform, l.options.Strict)
}

func (l layout) Referrers(_ context.Context, subject digest.Digest) ([]v1.Descriptor, error) {
	return l.Layout.Referrers(subject)
}

func (l layout) Path(d v1.Descriptor) (string, error) { return l.Layout.Path(d.Digest) }

func (l layout) Open(_ context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	path, err := l.Layout.Path(d.Digest)
	if err != nil {
		return nil, err
	}
	return openFile(path, offset)
}

func (layout) Close() error { return nil }

// openFile opens the file that a blob is.
func openFile(path string, offset int64) (io.ReadCloser, error) {
	f, err := fd.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
