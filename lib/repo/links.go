package repo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/objects"
	"cfs/lib/verity"
)

// Category is one of the two kinds of names for objects.
type Category string

const (
	Streams Category = "streams" // splitstreams, by what they hold
	Images  Category = "images"  // EROFS images, by their own digest in hex
)

// ErrAmbiguous means that what was asked for by the beginning of its name may be one of
// several.
var ErrAmbiguous = errors.New("is ambiguous")

// linkPrefix begins the names, in the repository's root, of links that are about
// to replace another.
const linkPrefix = ".symlink-"

// maxTries is how often a link is tried to be made in a folder that keeps vanishing.
const maxTries = 16

// Lookup returns the object that a first-level name stands for. The error wraps
// fs.ErrNotExist if there is no such name, and is marked as corrupt if the name is
// no link to an object.
func (r *Repo) Lookup(c Category, name string) (verity.ID, error) {
	if !validName(name) {
		return verity.ID{}, fmt.Errorf("%s/%s: %w", c, name, fs.ErrNotExist)
	}
	target, err := r.root.Readlink(string(c) + "/" + name)
	if errors.Is(err, unix.EINVAL) {
		return verity.ID{}, corrupt.Errorf("%s/%s is not a symbolic link", c, name)
	}
	if err != nil {
		return verity.ID{}, fmt.Errorf("%s/%s: %w", c, name, cause(err))
	}
	id, ok := verity.ParseObjectPath(target)
	if !ok || id.Algorithm() != r.Algorithm || target != "../objects/"+id.ObjectPath() {
		return verity.ID{}, corrupt.Errorf("%s/%s: %q is not an object of the repository", c, name, target)
	}
	return id, nil
}

// Dangles reports whether a first-level name is missing, or the object that it stands for.
// If that cannot be told it does not.
func (r *Repo) Dangles(c Category, name string) bool {
	id, err := r.Lookup(c, name)
	if err == nil {
		_, err = r.Objects.Size(id)
	}
	return errors.Is(err, fs.ErrNotExist)
}

// cause strips the path that a file error names, where the caller names it.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// validName tells names that can stand in a directory.
func validName(name string) bool {
	return name != "" && name != "." && name != ".." && name != "refs" && len(name) <= 255 && !strings.ContainsAny(name, "/\x00")
}

// Link makes or moves a first-level name for an object. That object, and all that
// it refers to, must be durable. The new name is durable after SyncNames.
func (r *Repo) Link(c Category, name string, id verity.ID) error {
	if !validName(name) {
		return fmt.Errorf("%s/%s is not a valid name", c, name)
	}
	return r.setLink(string(c)+"/"+name, "../objects/"+id.ObjectPath(), false)
}

// setLink makes a link or moves it in one step. One that is right is left alone, but gets a
// new time if it is to be made anew.
func (r *Repo) setLink(link, target string, anew bool) error {
	r.names.rely(path.Dir(link))
	err := r.trySetLink(link, target, anew)
	// Somebody else may remove an empty folder before there is something in it.
	for try := 0; errors.Is(err, fs.ErrNotExist) && try < maxTries; try++ {
		if err := r.mkdir(path.Dir(link)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		err = r.trySetLink(link, target, anew)
	}
	return err
}

func (r *Repo) trySetLink(link, target string, anew bool) error {
	err := r.root.Symlink(target, link)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if old, err := r.root.Readlink(link); err == nil && old == target {
		if !anew {
			return nil
		}
		if err := r.touch(link); !errors.Is(err, fs.ErrPermission) { // which is the owner's to give
			return err
		}
	}
	between := linkPrefix + strings.ToLower(rand.Text()[:12])
	if err := r.root.Symlink(target, between); err != nil {
		return err
	}
	if err := r.root.Rename(between, link); err != nil {
		return errors.Join(err, r.root.Remove(between))
	}
	return nil
}

// touch gives a link the time of now.
func (r *Repo) touch(link string) error {
	return r.root.In(link, func(dir int, base string) error {
		return unix.UtimesNanoAt(dir, base, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_NOW}}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// Names lists the first-level names of a category in byte order, "refs" left out. After an
// error the list is not complete.
func (r *Repo) Names(c Category) ([]string, error) {
	list, err := r.entries(string(c))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range list {
		if e.Name() != "refs" {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// refPath returns where a ref stands, relative to the repository.
func refPath(c Category, ref string) string { return string(c) + "/refs/" + ref }

// SetRef makes or moves a ref, "a/b/c", to a first-level name. It is durable after
// SyncNames.
func (r *Repo) SetRef(c Category, ref, name string) error { return r.setRef(c, ref, name, false) }

// RenewRef is SetRef for a ref that gets a new time in any case.
func (r *Repo) RenewRef(c Category, ref, name string) error { return r.setRef(c, ref, name, true) }

func (r *Repo) setRef(c Category, ref, name string, anew bool) error {
	if !validRef(ref) {
		return fmt.Errorf("%s/refs/%s is not a valid name", c, ref)
	}
	return r.setLink(refPath(c, ref), refTarget(ref, name), anew)
}

// refTarget returns what the link says that a ref to a first-level name is.
func refTarget(ref, name string) string {
	return strings.Repeat("../", strings.Count(ref, "/")+1) + name
}

// validRef tells names that can stand below refs/.
func validRef(ref string) bool {
	return !slices.ContainsFunc(strings.Split(ref, "/"), func(s string) bool { return s != "refs" && !validName(s) })
}

// Ref returns the first-level name that a ref stands for. The error wraps
// fs.ErrNotExist if there is no such ref, and is marked as corrupt if there is a folder, or
// the like, of that name.
func (r *Repo) Ref(c Category, ref string) (string, error) {
	target, err := r.readRefLink(c, ref)
	if err != nil {
		return "", err
	}
	return path.Base(target), nil
}

func (r *Repo) readRefLink(c Category, ref string) (target string, err error) {
	if !validRef(ref) {
		return "", fmt.Errorf("%s: %w", refPath(c, ref), fs.ErrNotExist)
	}
	target, err = r.root.Readlink(refPath(c, ref))
	if errors.Is(err, unix.EINVAL) {
		return "", corrupt.Errorf("%s is not a symbolic link", refPath(c, ref))
	}
	if r.isBelowRef(c, err) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", refPath(c, ref), cause(err))
	}
	return target, nil
}

// isBelowRef reports whether a name was not reached as a part of it is a ref, below which there
// is nothing. A link that is none may stand in the place of a folder.
func (r *Repo) isBelowRef(c Category, err error) bool {
	link, ok := errors.AsType[*fd.Symlink](err)
	if !ok {
		return false
	}
	name, ok := strings.CutPrefix(link.Name, refPath(c, ""))
	if !ok {
		return false
	}
	ref, err := r.readRef(c, name)
	return err == nil && ref.Odd == nil
}

// RemoveRef removes a ref; fs.ErrNotExist if there is none. That is durable after
// SyncNames.
func (r *Repo) RemoveRef(c Category, ref string) error {
	r.FoundRef(c, ref)
	return r.root.Remove(refPath(c, ref))
}

// RemoveRefs removes all refs below a folder, and the folder. That there is none
// is fine.
func (r *Repo) RemoveRefs(c Category, folder string) error {
	return r.root.RemoveAll(refPath(c, folder))
}

// RemoveEmptyFolders removes those folders right below a folder of refs that have
// nothing in them.
func (r *Repo) RemoveEmptyFolders(c Category, folder string) error {
	list, err := r.entries(refPath(c, folder))
	if err != nil {
		return err
	}
	for _, e := range list {
		if !e.IsDir() {
			continue
		}
		if err := r.root.Remove(refPath(c, folder) + "/" + e.Name()); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
			return err
		}
	}
	return nil
}

// RemoveName removes a first-level name.
func (r *Repo) RemoveName(c Category, name string) error {
	return r.root.Remove(string(c) + "/" + name)
}

// Ref is a link below refs/ of a category.
type Ref struct {
	Name   string // below refs/, "a/b/c"
	Target string // the first-level name, the last component of what the link says
	Made   time.Time

	// Odd says that nobody makes refs of such links, as this one does not lead to the first
	// level: it may stand in the place of a folder of refs, which is not followed. Else it
	// is nil.
	Odd error
}

// Refs yields all refs of a category below a folder, "" for all, in byte order of each
// level. What is neither link nor directory comes as an objects.Stray. After any other
// error the list is not complete. A ref that is removed meanwhile may be missing.
func (r *Repo) Refs(c Category, folder string) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) { r.walkRefs(c, folder, yield) }
}

func (r *Repo) walkRefs(c Category, folder string, yield func(Ref, error) bool) bool {
	list, err := r.entries(path.Join(string(c), "refs", folder))
	if err != nil {
		return yield(Ref{}, err)
	}
	slices.SortFunc(list, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range list {
		name := path.Join(folder, e.Name())
		next := true
		switch e.Type() {
		case fs.ModeDir:
			next = r.walkRefs(c, name, yield)
		case fs.ModeSymlink:
			ref, err := r.readRef(c, name)
			if errors.Is(err, fs.ErrNotExist) {
				if !r.isThere(refPath(c, name)) {
					continue // removed since the folder was listed
				}
				ref, err = r.readRef(c, name)
			}
			next = yield(ref, err)
		default:
			next = yield(Ref{}, &objects.Stray{Path: refPath(c, name), Is: "is neither a symbolic link nor a directory"})
		}
		if !next {
			return false
		}
	}
	return true
}

// isThere reports whether something has a name, or whether there is an error that says
// neither.
func (r *Repo) isThere(name string) bool {
	_, err := r.root.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

func (r *Repo) readRef(c Category, name string) (Ref, error) {
	target, err := r.readRefLink(c, name)
	if err != nil {
		return Ref{}, err
	}
	st, err := r.root.Lstat(refPath(c, name))
	if err != nil {
		return Ref{}, err
	}
	ref := Ref{Name: name, Target: path.Base(target), Made: time.Unix(st.Mtim.Unix())}
	if target != refTarget(name, ref.Target) {
		ref.Odd = fmt.Errorf("%s is a link to %q, which is not a name in the repository", refPath(c, name), target)
	}
	return ref, nil
}

// Leftovers gives the paths of links, notes and objects that were being made when their
// maker was killed. Whoever holds the exclusive lock may remove them.
func (r *Repo) Leftovers() ([]string, error) {
	var left []string
	for _, in := range []struct{ dir, prefix string }{{".", linkPrefix}, {notesDir, notePrefix}} {
		list, err := r.entries(in.dir)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if strings.HasPrefix(e.Name(), in.prefix) {
				left = append(left, path.Join(in.dir, e.Name()))
			}
		}
	}
	unfinished, err := r.Objects.Leftovers()
	return append(left, unfinished...), err
}

// RemoveLeftover removes a path that Leftovers gave.
func (r *Repo) RemoveLeftover(name string) error { return r.root.Remove(name) }
