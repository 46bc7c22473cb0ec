package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/go-digest"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/temporary"
	"cfs/lib/tolerance"
)

// layer stores what a record names, if it is not stored yet, nor by f, which has followed
// it and may be nil. pulled is the manifest that is pulled, if the record is of another one.
func (i *Importer) layer(rec record.Record, pulled digest.Digest, f *follower, rules *tolerance.Rules) (stored, error) {
	l, err := ParseLayer(rec)
	if err != nil {
		return stored{}, err
	}
	l.pulled = pulled
	if err := i.checkType(l); err != nil {
		return stored{}, err
	}
	if done, ok := f.result(l); ok {
		rules.Merge(f.rules)
		return i.imported(l, done), nil
	}
	if done, err := i.present(l); !errors.Is(err, errAbsent) {
		return done, err
	}
	file, err := fd.OpenRegular(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		// Another pull may have stored it meanwhile, and removed it from the spool.
		if done, err := i.present(l); !errors.Is(err, errAbsent) {
			return done, err
		}
		if l.Dirs != "" {
			return stored{}, i.lost(l, err)
		}
		return stored{}, temporary.Errorf("%w", err)
	}
	if err != nil {
		return stored{}, err
	}
	defer file.Close()
	if l.Form != "" {
		return i.assembly(l, file, rules)
	}
	return i.read(l, file, rules)
}

// assembly stores a layer that was put together. An assembly that is of no use is removed from the spool, so that
// it is made anew.
func (i *Importer) assembly(l Layer, file *os.File, rules *tolerance.Rules) (stored, error) {
	st, err := file.Stat()
	if err != nil {
		return stored{}, err
	}
	i.Count.Expect(l.Digest.String(), st.Size())
	in := &countedAt{file, counted{count: i.Count, name: l.Digest.String()}}
	src := oci.Source{Digest: l.Digest, Size: l.Size, DiffID: l.DiffID, Rules: rules, Windows: i.windows}
	done, err := i.assemble(l, in, st.Size(), src)
	switch {
	case errors.Is(err, fs.ErrNotExist) && l.Dirs != "":
		return stored{}, i.lost(l, err)
	case errors.Is(err, fs.ErrNotExist):
		err = temporary.Errorf("%w: cfs-fetch has found it in another repository, or it has been garbage-collected since: give both the same --repo", err)
		return stored{}, errors.Join(err, l.removeSpooled())
	case corrupt.Is(err):
		return stored{}, errors.Join(err, l.removeSpooled())
	case err != nil:
		return stored{}, err
	}
	s := i.imported(l, done)
	if !l.Artifact {
		s.proved = ProvedDiffID
	}
	return s, nil
}

// assemble stores the layer of a form.
func (i *Importer) assemble(l Layer, in *countedAt, size int64, src oci.Source) (oci.Imported, error) {
	if l.Form == FormTarSplit {
		dirs, err := openFolders(l.folders())
		if err != nil {
			return oci.Imported{}, err
		}
		defer closeFolders(dirs)
		return oci.ImportTarSplit(i.ctx, i.repo, io.NewSectionReader(in, 0, size), dirs, src)
	}
	from, err := i.from(l)
	switch {
	case err != nil:
		return oci.Imported{}, err
	case l.Artifact:
		return oci.ImportBlobAssembly(i.ctx, i.repo, from, in, size, src)
	}
	return oci.ImportAssembly(i.ctx, i.repo, from, in, size, src)
}

// errAbsent means that the repository does not have a layer, and must read it.
var errAbsent = errors.New("not stored yet")

// errNotStored is about a layer that has a stream, as its record claims.
var errNotStored = temporary.Errorf("its stream is not in the repository")

// present returns what the repository has of a layer. It takes no lock of its own: the
// stage holds one from its start.
func (i *Importer) present(l Layer) (stored, error) {
	if l.Key() == "" {
		return stored{}, errAbsent
	}
	id, err := l.stored(i.repo)
	switch {
	case err == nil:
		i.Count.Set(l.Digest.String(), max(l.Size, 0))
		i.Progress.Event(progress.Event{Kind: l.Kind(), Digest: orNone(l.Digest.String()), Message: "present"})
		return stored{Layer: l, stream: id}, nil
	case !corrupt.OrMissing(err):
		return stored{}, err
	case !l.Stream.IsZero():
		return stored{}, fmt.Errorf("%w: %s of %s", errNotStored, l.Stream, l.Key())
	}
	return stored{}, errAbsent
}

// checkType refuses what is not a layer by its media type or its form, whether it is stored or not:
// what a pull does must not depend on what came before.
func (i *Importer) checkType(l Layer) error {
	switch {
	case l.Form != "" && l.Form != FormSplitstream && l.Form != FormTarSplit:
		return fmt.Errorf("form=%.40q is not supported: a newer version may support it", l.Form)
	case l.Form == FormTarSplit:
		if err := l.checkFolders(); err != nil {
			return err
		}
	case l.Dirs != "" && (l.Form == "" || !filepath.IsAbs(l.Dirs) || filepath.Base(l.Dirs) != objectsFolder):
		return fmt.Errorf("dirs=%q: want form=%s, and the absolute path of the folder objects of a repository", l.Dirs, FormSplitstream)
	}
	switch {
	case l.Form != "" && l.Artifact && l.Digest == "":
		return fmt.Errorf("form=%s without a digest: nothing would verify it", l.Form)
	case l.Form != "" && !l.Artifact && l.DiffID == "":
		return fmt.Errorf("form=%s without diff-id=: nothing would verify it", l.Form)
	case l.Artifact || l.MediaType == "":
		return nil
	}
	if i.Rules.IsStrict() && manifest.IsDocker(l.MediaType) {
		return fmt.Errorf("media type %q %w", l.MediaType, tolerance.ErrRefused)
	}
	if _, ok := manifest.LayerCompression(l.MediaType); !ok {
		return fmt.Errorf("media type %q is not one of a container's layer", l.MediaType)
	}
	return nil
}

// read reads a layer and stores it.
func (i *Importer) read(l Layer, in io.Reader, rules *tolerance.Rules) (stored, error) {
	done, err := i.store(i.ctx, l, in, rules)
	if err != nil {
		return stored{}, err
	}
	return i.imported(l, done), nil
}

// imported says what became of a layer, and returns it with what was found out about it.
func (i *Importer) imported(l Layer, done oci.Imported) stored {
	l.Digest, l.Size = done.Digest, done.Size
	if !l.Artifact {
		l.DiffID = done.DiffID
	}
	i.Progress.Event(progress.Event{Kind: l.Kind(), Digest: l.Digest.String(), Message: fmt.Sprintf(
		"%d new and %d present objects; %d bytes stored, %d inline", done.New, done.Present, done.NewBytes, done.Inline),
		Stored: &progress.Stored{New: done.New, Present: done.Present, Written: done.NewBytes, Inline: done.Inline}})
	s := stored{Layer: l, stream: done.Stream, fresh: true}
	if i.MarkNew {
		s.wrote = strconv.FormatInt(done.NewBytes, 10)
	}
	return s
}

// store stores a blob as what it is.
func (i *Importer) store(ctx context.Context, l Layer, in io.Reader, rules *tolerance.Rules) (oci.Imported, error) {
	in = &counted{in: in, count: i.Count, name: l.Digest.String()}
	src := oci.Source{Digest: l.Digest, Size: l.Size, DiffID: l.DiffID, Rules: rules, Windows: i.windows}
	if l.Artifact {
		return oci.ImportBlob(ctx, i.repo, in, src)
	}
	said, _ := manifest.LayerCompression(l.MediaType)
	return oci.ImportLayer(ctx, i.repo, in, said, src)
}

// counted is a blob whose bytes are counted as they are read.
type counted struct {
	in    io.Reader
	count *progress.Counter
	name  string
	n     int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	c.n += int64(n)
	c.count.Set(c.name, c.n)
	return n, err
}

// countedAt is counted for a file that is read from any place on.
type countedAt struct {
	io.ReaderAt
	counted
}

func (c *countedAt) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(b, at)
	c.n += int64(n)
	c.count.Set(c.name, c.n)
	return n, err
}
