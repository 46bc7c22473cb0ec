package source

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
	"cfs/lib/missing"
)

// tarFile is an uncompressed tar in which files are found by their names.
type tarFile struct {
	name    string // as it was given
	file    *os.File
	members map[string]member
}

// member is where the content of a file stands, or which other one it is a link to.
type member struct {
	offset, size int64
	link         string
}

// maxMembers bounds the members of an archive: an image has a few for each layer.
const maxMembers = 100_000

// openTar opens an archive. A compressed one is unpacked to a file without a name in
// tempDir.
func openTar(name, tempDir string) (*tarFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	t := &tarFile{name: name, file: f, members: make(map[string]member)}
	if err = t.unpack(tempDir); err == nil {
		err = t.index()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("archive %s: %w", name, err), t.file.Close())
	}
	return t, nil
}

// unpack puts the uncompressed tar in the place of a compressed file.
func (t *tarFile) unpack(tempDir string) error {
	compression, in, err := blob.Sniff(t.file)
	if err != nil {
		return err
	}
	if compression == blob.None {
		_, err := t.file.Seek(0, io.SeekStart)
		return err
	}
	plain, err := blob.Decompress(in, compression)
	if err != nil {
		return err
	}
	defer plain.Close()
	if err := os.MkdirAll(tempDir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(tempDir, ".unpacked-*")
	if err != nil {
		return err
	}
	packed := t.file
	t.file = temp
	defer packed.Close()
	if err := os.Remove(temp.Name()); err != nil {
		return err
	}
	if _, err := io.Copy(temp, plain); err != nil {
		return err
	}
	_, err = temp.Seek(0, io.SeekStart)
	return err
}

// index finds the files. Of two with one name the last one counts, as when unpacked.
func (t *tarFile) index() error {
	st, err := t.file.Stat()
	if err != nil {
		return err
	}
	source := &corrupt.Source{In: t.file}
	in := tar.NewReader(struct {
		io.Reader
		io.Seeker // to pass over the content of files
	}{source, t.file})
	for count := 0; ; count++ {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return source.Errorf("%w", err)
		}
		if count >= maxMembers {
			return corrupt.Errorf("more than %d members", maxMembers)
		}
		m, err := t.member(h, st.Size())
		if err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
		if m != (member{}) {
			t.members[clean(h.Name)] = m
		}
	}
}

var errSparse = errors.New("sparse members are not supported")

// member returns where the content of a file is, nothing for what is no file.
func (t *tarFile) member(h *tar.Header, end int64) (member, error) {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return member{}, errSparse
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		// The reader has read the header, and nothing of the content.
		offset, err := t.file.Seek(0, io.SeekCurrent)
		if err == nil && h.Size > end-offset {
			err = corrupt.Errorf("truncated tar at byte %d", end)
		}
		return member{offset: offset, size: h.Size}, err
	case tar.TypeSymlink:
		return member{link: clean(path.Join(path.Dir(h.Name), h.Linkname))}, nil
	case tar.TypeLink:
		return member{link: clean(h.Linkname)}, nil
	case tar.TypeGNUSparse:
		return member{}, errSparse
	}
	return member{}, nil
}

// clean returns the one spelling of a path in the archive, which never leads out of it.
func clean(name string) string { return path.Clean("/" + name) }

// maxLinks is how many links are followed from one name.
const maxLinks = 8

// find returns the file of a name. The error wraps fs.ErrNotExist if there is none.
func (t *tarFile) find(name string) (member, error) {
	at := clean(name)
	for range maxLinks {
		m, ok := t.members[at]
		switch {
		case !ok:
			return m, fmt.Errorf("archive %s: %q: %w", t.name, name, fs.ErrNotExist)
		case m.link == "":
			return m, nil
		}
		at = m.link
	}
	return member{}, corrupt.Errorf("archive %s: %q: more than %d links", t.name, name, maxLinks)
}

// open returns the content of a file from the byte at offset on.
func (t *tarFile) open(name string, offset int64) (*io.SectionReader, error) {
	m, err := t.find(name)
	if err != nil {
		return nil, err
	}
	offset = min(offset, m.size)
	return io.NewSectionReader(t.file, m.offset+offset, m.size-offset), nil
}

// insteadOf says, where the error is that a kind of archive has no list of its images, that it
// is one of another kind, if it has the list of that.
func (t *tarFile) insteadOf(err error, list, transport string) error {
	if _, other := t.find(list); other == nil && errors.Is(err, fs.ErrNotExist) {
		return missing.Errorf("archive %s: is another kind of archive: want %s:%s", t.name, transport, t.name)
	}
	return err
}

// readJSON returns the content of a file of JSON.
func (t *tarFile) readJSON(name string) ([]byte, error) {
	in, err := t.open(name, 0)
	if err != nil {
		return nil, err
	}
	return blob.ReadJSON(in, name)
}

func (t *tarFile) Close() error { return t.file.Close() }
