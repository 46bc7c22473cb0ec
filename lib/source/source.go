// Package source finds images: in a registry, an OCI image layout, an archive of a layout, an
// archive of docker save, or a directory of skopeo. It reads and verifies their manifest and
// config, and opens their blobs.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"golang.org/x/sys/unix"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/manifest"
	"cfs/lib/policy"
	"cfs/lib/registry"
)

// Source is one place with an image, or several.
type Source interface {
	// Manifest returns the descriptor of the image's manifest: of several the best one
	// for the platform, or if that is nil for this machine. The error wraps
	// fs.ErrNotExist if there is none.
	Manifest(ctx context.Context, platform *v1.Platform) (v1.Descriptor, error)

	// Open opens a blob, from the byte at offset on. Its bytes come as they are, not
	// verified. Errors do not name the blob.
	Open(ctx context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error)

	// Referrers returns what is listed that may be artifacts of signatures of a manifest.
	// None is no error.
	Referrers(ctx context.Context, subject digest.Digest) ([]v1.Descriptor, error)

	// Path returns the absolute path of the file that a blob is, "" if blobs are no
	// files of their own.
	Path(d v1.Descriptor) (string, error)

	// Close ends the use of the source.
	Close() error
}

// Spans is a source that can give parts of a blob.
type Spans interface {
	// OpenSpan opens a part of a blob; again is set if what came before was wrong. The error
	// wraps ErrNoParts if parts cannot be had.
	OpenSpan(ctx context.Context, d v1.Descriptor, s blob.Span, again bool) (io.ReadCloser, error)
}

// Options say how sources are read.
type Options struct {
	Registry registry.Options
	TempDir  string // where a compressed archive is unpacked to, while it is open
	Strict   bool   // of a layout, only the manifest that the reference takes will do

	// Several is told the names of the images in a layout or an archive, if SOURCE has none of
	// several. It may be nil.
	Several func(names []string)

	// Policy says which images are accepted, before anything of them is read; nil: all.
	// That of Registry is set by Open.
	Policy *policy.Policy
}

// tellSeveral calls Several if what a layout lists has several names, and ref is none of them.
func (o Options) tellSeveral(ref string, list []v1.Descriptor) {
	if names := manifest.Names(list); o.Several != nil && ref == "" && len(names) > 1 {
		o.Several(names)
	}
}

// checkPath returns why the policy does not accept images of a file or folder. What that holds is
// read later, by the path that the user gave.
func (o Options) checkPath(transport, name string) error {
	if o.Policy == nil {
		return nil
	}
	whole, err := filepath.Abs(name)
	if err == nil {
		whole, err = filepath.EvalSymlinks(whole)
	}
	if err != nil {
		return err
	}
	return o.Policy.Check(transport, policy.PathScopes(whole))
}

// transports are the ways to write a SOURCE, as skopeo does.
var transports = map[string]func(where string, o Options) (Source, error){
	"oci":            openLayout,
	"oci-archive":    openOCIArchive,
	"docker-archive": openDockerArchive,
	"dir":            openDir,
	"docker":         openRegistry,
}

// Open opens SOURCE: docker://HOST/NAME[:TAG|@DIGEST], for which a bare name stands too,
// oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:REF] or dir:DIR.
func Open(name string, o Options) (Source, error) {
	if transport, where, ok := strings.Cut(name, ":"); ok {
		if open := transports[transport]; open != nil && (transport != "docker" || strings.HasPrefix(where, "//")) {
			return open(where, o)
		}
		if strings.HasPrefix(where, "//") || unsupported[transport] {
			return nil, fmt.Errorf("%w: %q: want docker://HOST/NAME[:TAG|@DIGEST], oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:REF], dir:DIR or composefs:DIR[:NAME]", ErrName, name)
		}
	}
	return openRegistry("//"+name, o)
}

// Absolute returns SOURCE so that it means the same in any working directory: one of files with
// their absolute path.
func Absolute(name string) string {
	transport, where, _ := strings.Cut(name, ":")
	if transports[transport] == nil || transport == "docker" || strings.HasPrefix(where, "/") {
		return name
	}
	dir, err := os.Getwd()
	if err != nil {
		return name // as it was typed
	}
	return transport + ":" + strings.TrimSuffix(dir, "/") + "/" + where
}

// unsupported are transports of skopeo which are not to be taken for a registry's host.
var unsupported = map[string]bool{"composefs": true, "containers-storage": true, "docker-daemon": true, "ostree": true, "sif": true, "tarball": true, "registry": true}

// ErrName means that a SOURCE is not written as one.
var ErrName = registry.ErrName

func openRegistry(where string, o Options) (Source, error) {
	o.Registry.Policy = o.Policy
	image, err := registry.Open(strings.TrimPrefix(where, "//"), o.Registry)
	if err != nil {
		return nil, err
	}
	return remote{image}, nil
}

// ErrNoParts means that a source does not give parts of a blob.
var ErrNoParts = registry.ErrNoRanges

// Registry returns the host of the registry that a SOURCE names, as it is typed and not that of a
// mirror, and the name of the repository there. They are "" if it names none.
func Registry(name string) (host, repository string) {
	transport, where, ok := strings.Cut(name, ":")
	switch {
	case ok && (transports[transport] != nil && transport != "docker" || unsupported[transport]):
		return "", ""
	case ok && transport == "docker" && strings.HasPrefix(where, "//"):
		name = where[2:]
	}
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", ""
	}
	return reference.Domain(ref), reference.Path(ref)
}

// remote is an image in a registry.
type remote struct{ *registry.Remote }

// IsRemote reports whether blobs come over a network, and may take their time.
func IsRemote(s Source) bool {
	_, ok := s.(remote)
	return ok
}

func (s remote) Manifest(ctx context.Context, platform *v1.Platform) (v1.Descriptor, error) {
	top, err := s.Remote.Manifest(ctx)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return manifest.Find([]v1.Descriptor{top}, platform, func(d v1.Descriptor) ([]byte, error) { return ReadAll(ctx, s, d) })
}

func (remote) Path(v1.Descriptor) (string, error) { return "", nil }

// ReadAll returns a manifest, an index or a config, verified. One that is wrong is read
// once more: what comes over a network may come better then.
func ReadAll(ctx context.Context, s Source, d v1.Descriptor) ([]byte, error) {
	text, err := readOnce(ctx, s, d)
	if corrupt.Is(err) {
		text, err = readOnce(ctx, s, d)
	}
	return text, err
}

func readOnce(ctx context.Context, s Source, d v1.Descriptor) ([]byte, error) {
	in, err := s.Open(ctx, d, 0)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	defer in.Close()
	return blob.ReadAll(in, d.Digest, d.Size)
}

// splitRef cuts PATH:REF. As in the reference it is cut at the last colon, if no slash
// comes behind it; where there is no such file, at the first one, as skopeo does.
func splitRef(where string, exists func(path string) error) (path, ref string, err error) {
	path, ref = splitLast(where)
	err = exists(path)
	if err == nil || !corrupt.IsDamage(err) && !errors.Is(err, unix.ENOTDIR) {
		return path, ref, err
	}
	if first, rest, ok := strings.Cut(where, ":"); ok && exists(first) == nil {
		return first, rest, nil
	}
	return path, ref, err
}

func splitLast(where string) (path, ref string) {
	i := strings.LastIndexByte(where, ':')
	if i < 0 || strings.Contains(where[i:], "/") {
		return where, ""
	}
	// A digest has a colon of its own.
	if j := strings.LastIndex(where[:i], ":@"); j >= 0 {
		i = j
	}
	return where[:i], where[i+1:]
}
