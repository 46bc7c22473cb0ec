package chunked

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
)

// In eStargz (containerd/stargz-snapshotter, docs/estargz.md) each content begins a gzip member, which goes on with the padding
// and the headers of what follows, up to the next content. So a header cannot be fetched without the content before
// it. But its bytes can be predicted: the writer makes headers with archive/tar out of what the TOC says of them. The
// diff ID tells whether the guess was right.

const (
	stargzFooter    = 51 // bytes: an empty gzip member with an extra field
	stargzOldFooter = 47 // the same in its first form
	stargzMagic     = "STARGZ"
	stargzTOC       = "stargz.index.json"
	tarBlock        = 512
)

func (l *Layer) parseStargz(a map[string]string) (err error) {
	if l.stargz, err = checksum(a[stargzDigest]); err != nil {
		return fmt.Errorf("%s: %w", stargzDigest, err)
	}
	if l.size <= stargzFooter {
		return fmt.Errorf("a blob of %d bytes has no footer", l.size)
	}
	return nil
}

// Footer returns the end of the blob, which says where the TOC is; it is empty if that is known.
func (l *Layer) Footer() blob.Span {
	if !l.IsStargz() || l.TOC.Len() > 0 {
		return blob.Span{}
	}
	return blob.Span{Start: l.size - stargzFooter, End: l.size}
}

// ReadFooter reads from in the end of the blob. The error is marked as corrupt if it says no place of a TOC.
func (l *Layer) ReadFooter(in io.Reader) error {
	var b [stargzFooter]byte
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return err
	}
	footer, extra := int64(stargzFooter), b[16:38] // behind the header, the length of the extra field, its name and length
	if string(b[12:14]) != "SG" || b[14] != 22 || string(extra[16:]) != stargzMagic {
		footer, extra = stargzOldFooter, b[stargzFooter-stargzOldFooter+12:][:22]
	}
	at, err := strconv.ParseInt(string(extra[:16]), 16, 64)
	if string(extra[16:]) != stargzMagic || err != nil || at <= 0 || at >= l.size-footer || l.size-footer-at > maxCompressed {
		return corrupt.Errorf("footer: %.40q is not the place of a table of contents", extra)
	}
	l.TOC.Span = blob.Span{Start: at, End: l.size - footer}
	return nil
}

// head returns the part of the blob before the first content.
func (l *Layer) head(files []File) blob.Span {
	if len(files) == 0 {
		return blob.Span{End: l.TOC.Start}
	}
	return blob.Span{End: files[0].Start}
}

// stargzEntry is an entry of the TOC, with all that its header says.
type stargzEntry struct {
	entry
	Link      string            `json:"linkName"`
	Mode      int64             `json:"mode"`
	UID       int               `json:"uid"`
	GID       int               `json:"gid"`
	User      string            `json:"userName"`
	Group     string            `json:"groupName"`
	DevMajor  int64             `json:"devMajor"`
	DevMinor  int64             `json:"devMinor"`
	Xattrs    map[string][]byte `json:"xattrs"`
	InInflate int64             `json:"innerOffset"`
}

// readStargz reads the TOC from in, as ReadTOC does.
func (l *Layer) readStargz(in io.Reader) (files []File, err error) {
	t := toc{end: l.TOC.Start}
	t.each = func(j *json.Decoder) error {
		var e stargzEntry
		if err := j.Decode(&e); err != nil {
			return err
		}
		if e.InInflate != 0 {
			return corrupt.Errorf("several files are compressed together")
		}
		if n := len(t.files); n > 0 && e.Offset > 0 && t.files[n-1].End == 0 && e.Type == "reg" {
			t.files[n-1].End = e.Offset
		}
		if e.Type == "reg" && e.Size > 0 {
			e.End = e.Offset + 1 // known when the next one comes
			if err := t.add(e.entry); err != nil {
				return err
			}
			t.files[len(t.files)-1].End = 0
		}
		return nil
	}
	if err := l.readStargzTOC(in, io.Discard, &t); err != nil {
		return nil, fmt.Errorf("table of contents: %w", err)
	}
	if n := len(t.files); n > 0 {
		t.files[n-1].End = l.TOC.Start
	}
	for _, f := range t.files {
		if f.Len() <= 0 {
			return nil, corrupt.Errorf("table of contents: %.300q at [%d, %d)", f.Name, f.Start, f.End)
		}
	}
	return t.files, nil
}

// readStargzTOC reads the TOC, which is a file of a tar, and verifies it. It writes that tar to w.
func (l *Layer) readStargzTOC(in io.Reader, w io.Writer, t *toc) error {
	source := &corrupt.Source{In: io.LimitReader(in, l.TOC.Len())}
	z, err := gzip.NewReader(source)
	if err != nil {
		return source.Errorf("%w", err)
	}
	plain := &judged{io.TeeReader(io.LimitReader(z, maxPlain), w), source}
	r := tar.NewReader(plain)
	h, err := r.Next()
	if err != nil || h.Name != stargzTOC {
		return source.Errorf("no %s: %w", stargzTOC, corrupt.UnexpectedEOF(err))
	}
	hash := digest.SHA256.Digester()
	if err := t.read(io.TeeReader(r, hash.Hash())); err != nil {
		return err
	}
	if got := hash.Digest(); got != l.stargz {
		return corrupt.Errorf("it has the digest %s, want %s", got, l.stargz)
	}
	_, err = io.Copy(io.Discard, plain)
	return err
}

// judged is a decoder's output whose errors are about data, unless the decoder's input has failed.
type judged struct {
	in     io.Reader
	source *corrupt.Source
}

func (j *judged) Read(p []byte) (int, error) {
	n, err := j.in.Read(p)
	if err != nil && err != io.EOF {
		err = j.source.Errorf("%w", err)
	}
	return n, err
}

// WalkStargz writes the tar of an eStargz layer to w but for the contents of files, for which it calls content with their numbers,
// in order. in gives the bytes of the TOC, head those of the blob before the first content.
func (l *Layer) WalkStargz(in, head io.Reader, w io.Writer, content func(n int) error) error {
	source := &corrupt.Source{In: head}
	first := &firstBlock{w: w}
	if z, err := gzip.NewReader(source); err != nil {
		return source.Errorf("%w", err)
	} else if _, err := io.Copy(first, io.LimitReader(z, maxPlain)); err != nil {
		return source.Errorf("%w", err)
	}
	h := headers{w: w, format: first.format(), users: map[int]string{}, groups: map[int]string{}}
	var end bytes.Buffer // the tar of the TOC, which is known before it comes
	n := 0
	t := toc{each: func(j *json.Decoder) error {
		var e stargzEntry
		if err := j.Decode(&e); err != nil {
			return err
		}
		if e.Type == "chunk" {
			return nil
		}
		hasContent := e.Type == "reg" && e.Size > 0
		if err := h.write(&e, n == 0); err != nil || !hasContent {
			return err
		}
		if err := content(n); err != nil {
			return err
		}
		n++
		_, err := w.Write(make([]byte, -e.Size&(tarBlock-1)))
		return err
	}}
	if err := l.readStargzTOC(in, &end, &t); err != nil {
		return err
	}
	_, err := end.WriteTo(w)
	return err
}

// firstBlock is a writer that remembers the first header of a tar.
type firstBlock struct {
	w     io.Writer
	block []byte
}

func (f *firstBlock) Write(p []byte) (int, error) {
	f.block = append(f.block, p[:min(len(p), tarBlock-len(f.block))]...)
	return f.w.Write(p)
}

// format returns the format that other headers are likely to have.
func (f *firstBlock) format() tar.Format {
	if len(f.block) == tarBlock && bytes.Equal(f.block[257:265], []byte("ustar  \x00")) {
		return tar.FormatGNU
	}
	return tar.FormatUnknown // which the package chooses
}

// headers writes the headers of a tar as they are predicted.
type headers struct {
	w             io.Writer
	format        tar.Format
	users, groups map[int]string // as they were told last
}

var stargzTypes = map[string]byte{
	"reg": tar.TypeReg, "dir": tar.TypeDir, "symlink": tar.TypeSymlink, "hardlink": tar.TypeLink, "char": tar.TypeChar, "block": tar.TypeBlock, "fifo": tar.TypeFifo,
}

// write writes the header of an entry; there is one already of those before the first content.
func (h *headers) write(e *stargzEntry, there bool) error {
	if e.User != "" {
		h.users[e.UID] = e.User
	}
	if e.Group != "" {
		h.groups[e.GID] = e.Group
	}
	if there {
		return nil
	}
	typ, ok := stargzTypes[e.Type]
	if !ok {
		return corrupt.Errorf("%.300q is of type %.100q", e.Name, e.Type)
	}
	header := &tar.Header{Typeflag: typ, Name: e.Name, Linkname: e.Link, Size: e.Size, Mode: e.Mode, Uid: e.UID, Gid: e.GID,
		Uname: h.users[e.UID], Gname: h.groups[e.GID], Devmajor: e.DevMajor, Devminor: e.DevMinor, Format: h.format}
	if modified, err := time.Parse(time.RFC3339, e.Modified); err == nil {
		header.ModTime = modified
	}
	for name, value := range e.Xattrs {
		if header.PAXRecords == nil {
			header.PAXRecords = make(map[string]string)
		}
		header.PAXRecords["SCHILY.xattr."+strings.Clone(name)] = string(value)
	}
	if header.Typeflag != tar.TypeReg {
		header.Size = 0
	}
	if err := tar.NewWriter(h.w).WriteHeader(header); err != nil {
		return corrupt.Errorf("%.300q: no header can be made of it: %s", e.Name, err)
	}
	return nil
}
