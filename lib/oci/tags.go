package oci

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/missing"
	"cfs/lib/objects"
	"cfs/lib/repo"
)

// NamedManifest is a tag and the manifest that it leads to.
type NamedManifest struct {
	Tag      string
	Manifest digest.Digest
}

// Tag returns the manifest that a tag leads to. The error wraps fs.ErrNotExist if
// there is no such tag.
func Tag(r *repo.Repo, name string) (digest.Digest, error) {
	if err := CheckStoredTag(name); err != nil {
		return "", missing.Errorf("%w", err)
	}
	ref, err := refOf(r, name)
	if err != nil {
		return "", err
	}
	stream, err := r.Ref(repo.Streams, ref)
	if errors.Is(err, fs.ErrNotExist) {
		return "", NoTag(r, name)
	}
	if err != nil {
		return "", fmt.Errorf("tag %q: %w", name, err)
	}
	return tagged(name, stream)
}

// NoTag returns the error that there is no such tag, which is fs.ErrNotExist and names the tag that may be meant.
func NoTag(r *repo.Repo, name string) error {
	tags, _, _ := Tags(r) // as far as they can be listed
	names := make([]string, len(tags))
	for i, t := range tags {
		names[i] = t.Tag
	}
	if n := missing.Nearest(name, names); n != "" {
		return missing.Errorf("tag %q: no such tag; did you mean %q?", name, n)
	}
	return missing.Errorf("tag %q: no such tag", name)
}

// refOf returns the ref that a tag is. Nobody makes folders of tags, but where there is
// one, what is in it has the path below it as its name.
func refOf(r *repo.Repo, name string) (string, error) {
	ref := tagFolder + "/" + escaper.Replace(name)
	if _, err := r.Ref(repo.Streams, ref); !errors.Is(err, fs.ErrNotExist) || !fs.ValidPath(name) {
		return ref, nil
	}
	inFolder := tagFolder + "/" + strings.ReplaceAll(name, "%", "%25")
	_, err := r.Ref(repo.Streams, inFolder)
	switch {
	case err == nil:
		return inFolder, nil
	case corrupt.OrMissing(err) || errors.Is(err, unix.ENOTDIR): // it is a folder, or below a tag
		return ref, nil
	}
	return "", fmt.Errorf("tag %q: %w", name, err)
}

func tagged(name, stream string) (digest.Digest, error) {
	text, ok := strings.CutPrefix(stream, manifestPrefix)
	d := digest.Digest(text)
	if !ok || d.Validate() != nil {
		return "", corrupt.Errorf("tag %q points to %q, which is not a manifest", name, stream)
	}
	return d, nil
}

// Tags lists all tags by name. Those that lead nowhere are listed too; what is no
// tag at all comes back as strays. After an error, the first of those that there were, the
// list is not complete.
func Tags(r *repo.Repo) (tags []NamedManifest, strays []error, err error) {
	for ref, refErr := range r.Refs(repo.Streams, tagFolder) {
		if refErr != nil && !objects.IsStray(refErr) {
			err = cmp.Or(err, refErr)
			continue
		}
		var tag NamedManifest
		if refErr == nil {
			tag, refErr = TagOf(ref)
		}
		switch {
		case refErr == nil:
			tags = append(tags, tag)
		case ref.Odd != nil: // in the place of a folder of tags
			err = cmp.Or(err, ref.Odd)
		default:
			strays = append(strays, refErr)
		}
	}
	slices.SortFunc(tags, NamedManifest.Compare)
	return tags, strays, err
}

// IsTag reports whether a ref of a stream is a tag.
func IsTag(ref repo.Ref) bool { return strings.HasPrefix(ref.Name, tagFolder+"/") }

// TagOf returns the tag that a ref is, if IsTag says so. The error is marked as corrupt if it
// leads to no manifest.
func TagOf(ref repo.Ref) (NamedManifest, error) {
	name := unescaper.Replace(strings.TrimPrefix(ref.Name, tagFolder+"/"))
	d, err := tagged(name, ref.Target)
	return NamedManifest{name, d}, err
}

// SetTag makes or moves a tag, durably: also one that is found, whose maker may have been
// killed before it could flush it. The manifest must be there.
func SetTag(r *repo.Repo, name string, d digest.Digest) error {
	if err := CheckTag(name); err != nil {
		return err
	}
	if _, err := r.Lookup(repo.Streams, ManifestName(d)); err != nil {
		return fmt.Errorf("manifest %s: %w", d, err)
	}
	r.FoundName(repo.Streams)
	if old, err := Tag(r, name); err != nil || old != d {
		return moveTag(r, name, d)
	}
	ref, err := refOf(r, name)
	if err != nil {
		return err
	}
	r.FoundRef(repo.Streams, ref)
	return r.SyncNames()
}

// moveTag makes what the tag leads to durable before the tag leads there.
func moveTag(r *repo.Repo, name string, d digest.Digest) error {
	if err := r.SyncNames(); err != nil {
		return err
	}
	if err := r.SetRef(repo.Streams, tagFolder+"/"+escaper.Replace(name), ManifestName(d)); err != nil {
		return fmt.Errorf("tag %q: %w", name, err)
	}
	return r.SyncNames()
}

// HasTag reports whether there is a tag of a name, whatever it leads to. It may be one with a
// leading "@", which the reference makes.
func HasTag(r *repo.Repo, name string) (bool, error) {
	if CheckStoredTag(strings.TrimPrefix(name, "@")) != nil {
		return false, nil
	}
	ref, err := refOf(r, name)
	if err != nil {
		return false, err
	}
	_, err = r.Ref(repo.Streams, ref)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("tag %q: %w", name, err)
	}
	return true, nil
}

// RemoveTag removes a tag, with what is remembered of its source, and nothing that it leads to. It
// may be one with a leading "@", which the reference makes.
func RemoveTag(r *repo.Repo, name string) error {
	if err := CheckStoredTag(strings.TrimPrefix(name, "@")); err != nil {
		return missing.Errorf("%w", err)
	}
	ref, err := refOf(r, name)
	if err != nil {
		return err
	}
	err = r.RemoveRef(repo.Streams, ref)
	if errors.Is(err, fs.ErrNotExist) {
		return NoTag(r, name)
	}
	if err != nil {
		return fmt.Errorf("tag %q: %w", name, err)
	}
	return errors.Join(r.SyncNames(), r.RemoveNote(sourceNote(name)))
}
