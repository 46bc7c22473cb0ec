package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/missing"
)

// Layout is a directory in the OCI image layout.
type Layout struct {
	path string
	open func(name string) (*os.File, error) // of a regular file in it
}

// OpenLayout opens the layout at a path. The file oci-layout, which some builders leave out,
// may be missing if there is an index.json. The error wraps fs.ErrNotExist if there is no
// layout.
func OpenLayout(name string) (*Layout, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	open := func(name string) (*os.File, error) { return fd.OpenRegular(filepath.Join(abs, name)) }
	l := &Layout{abs, open}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", name, err)
	}
	return l, nil
}

// LayoutIn is OpenLayout for an open folder, in which links are not followed. Its name is an
// absolute path, and it stays open as long as the layout is used.
func LayoutIn(root *fd.Root) (*Layout, error) {
	l := &Layout{root.Name(), root.OpenRegular}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", l.path, err)
	}
	return l, nil
}

// check looks at the file oci-layout.
func (l *Layout) check() error {
	text, err := l.readFile(v1.ImageLayoutFile)
	if errors.Is(err, fs.ErrNotExist) {
		return l.checkIndex()
	}
	if err != nil {
		return err
	}
	var head v1.ImageLayout
	if err := decodeStrictly(text, layoutSchema, &head); err != nil {
		return corrupt.Errorf("%s: %w", v1.ImageLayoutFile, err)
	}
	if head.Version != v1.ImageLayoutVersion {
		return fmt.Errorf("version %q is not supported: want %s", head.Version, v1.ImageLayoutVersion)
	}
	return nil
}

// checkIndex looks whether index.json is an index where nothing else says that this is a
// layout.
func (l *Layout) checkIndex() error {
	text, err := l.readFile(v1.ImageIndexFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing.Errorf("is not one: it has neither a file %s nor an %s", v1.ImageLayoutFile, v1.ImageIndexFile)
	case err != nil:
		return err
	case TypeOf(text) != v1.MediaTypeImageIndex && TypeOf(text) != DockerManifestList:
		return missing.Errorf("is not one: it has no file %s, and its %s is not an image index", v1.ImageLayoutFile, v1.ImageIndexFile)
	}
	return nil
}

func (l *Layout) readFile(name string) ([]byte, error) {
	f, err := l.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return blob.ReadJSON(f, name)
}

// BlobName returns where the blob of a digest lies, relative to a layout.
func BlobName(d digest.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", corrupt.Errorf("digest %q: %w", d, err)
	}
	return path.Join(v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded()), nil
}

// Path returns where the blob of a digest lies, whether it is there or not.
func (l *Layout) Path(d digest.Digest) (string, error) {
	name, err := BlobName(d)
	if err != nil {
		return "", err
	}
	return filepath.Join(l.path, name), nil
}

// Open opens a blob, whose bytes come verified.
func (l *Layout) Open(d v1.Descriptor) (io.ReadCloser, error) {
	name, err := BlobName(d.Digest)
	if err != nil {
		return nil, err
	}
	f, err := l.open(name)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	r, err := blob.NewReader(f, d.Digest, d.Size)
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

// ReadAll returns a blob of JSON, verified.
func (l *Layout) ReadAll(d v1.Descriptor) ([]byte, error) {
	if d.Size < 0 || d.Size > blob.MaxJSON {
		return nil, corrupt.Errorf("blob %s of %d bytes is larger than %d", d.Digest, d.Size, blob.MaxJSON)
	}
	r, err := l.Open(d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// Resolve returns the manifest of the image that is called ref in the layout, or of its only
// image if ref is "", as Find finds it. With strict it must be the one that the reference
// takes. The error wraps fs.ErrNotExist if there is no such image.
func (l *Layout) Resolve(ref string, platform *v1.Platform, strict bool) (v1.Descriptor, error) {
	list, err := l.Named(ref)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return l.Choose(list, platform, strict)
}

// Named returns what the layout lists under a name, as FindNamed does.
func (l *Layout) Named(ref string) ([]v1.Descriptor, error) {
	text, err := l.readFile(v1.ImageIndexFile)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", l.path, err)
	}
	list, err := FindNamed(text, ref)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", l.path, err)
	}
	return list, nil
}

// Choose returns the manifest for a platform among what Named has returned, as Resolve does.
func (l *Layout) Choose(list []v1.Descriptor, platform *v1.Platform, strict bool) (v1.Descriptor, error) {
	if strict {
		return findStrictly(list, platform, l.ReadAll)
	}
	return Find(list, platform, l.ReadAll)
}

// FindNamed returns what the text of a layout's index.json lists under the name ref, or
// with the digest ref, or all if ref is "". The error wraps fs.ErrNotExist if that is
// nothing.
func FindNamed(indexJSON []byte, ref string) ([]v1.Descriptor, error) {
	index, err := ParseIndex(indexJSON, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v1.ImageIndexFile, err)
	}
	if len(index.Manifests) == 0 {
		return nil, missing.Errorf("its %s is empty: it lists no image", v1.ImageIndexFile)
	}
	var named []v1.Descriptor
	for _, d := range index.Manifests {
		if ref == "" || d.Annotations[v1.AnnotationRefName] == ref || d.Digest.String() == strings.TrimPrefix(ref, "@") {
			named = append(named, d)
		}
	}
	if len(named) == 0 {
		return nil, missing.Errorf("has no image %q; it has: %s", ref, names(index))
	}
	return named, nil
}

// Names returns the different names of what a layout lists.
func Names(list []v1.Descriptor) (names []string) {
	for _, d := range list {
		if name := d.Annotations[v1.AnnotationRefName]; name != "" {
			names = append(names, name)
		}
	}
	return unique(names)
}

func names(index v1.Index) string {
	var list []string
	for _, d := range index.Manifests {
		if name := d.Annotations[v1.AnnotationRefName]; name != "" {
			list = append(list, name)
		} else {
			list = append(list, "@"+d.Digest.String())
		}
	}
	return strings.Join(unique(list), ", ")
}

// Referrers returns what the layout lists that may be artifacts of signatures of the manifest
// subject, as FindReferrers does; of any manifest if that is "".
func (l *Layout) Referrers(subject digest.Digest) ([]v1.Descriptor, error) {
	text, err := l.readFile(v1.ImageIndexFile)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", l.path, err)
	}
	list, err := FindReferrers(text, subject, l.ReadAll)
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", l.path, err)
	}
	return list, nil
}
