// Package chunked reads the metadata of zstd:chunked layers: where in the blob the content of each
// file is compressed separately, so that parts of the blob can be downloaded, and the tar-split from
// which the tar is rebuilt.
//
// The blob is a sequence of zstd frames. After those of the tar come skippable frames (RFC 8878, 3.1.2)
// with a table of contents, the TOC, in JSON, and the tar-split; annotations in the manifest give
// their positions (go.podman.io/storage/pkg/chunked). None of this proves the content of files: the
// assembled tar must match the diff ID of the layer.
package chunked

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
)

// The annotations of a layer in a manifest.
const (
	prefix    = "io.github.containers.zstd-chunked."
	oldPrefix = "io.containers.zstd-chunked." // of writers without a tar-split (containers/storage before 1.47), and of stargz

	manifestChecksum = "manifest-checksum"
	manifestPosition = "manifest-position"
	tarSplitChecksum = "tarsplit-checksum"
	tarSplitPosition = "tarsplit-position"

	stargzDigest = "containerd.io/snapshot/stargz/toc.digest"
)

// skippableHeader is the length in bytes of the header of a skippable frame.
const skippableHeader = 8

// Limits of what is read of a layer.
const (
	maxCompressed = 64 << 20
	maxPlain      = 256 << 20
)

// Layer is what the annotations of a layer say.
type Layer struct {
	TOC      Table // nowhere in eStargz, before ReadFooter
	TarSplit Table // empty in the old form, see HasTarSplit

	size   int64         // of the blob
	stargz digest.Digest // in eStargz, of the JSON of the TOC
}

// Table is one of TOC and tar-split in the blob.
type Table struct {
	blob.Span               // of its zstd frame
	Plain     int64         // bytes that it decodes to
	Digest    digest.Digest // of the compressed bytes; "" if the TOC says it
}

// ErrForm means that a layer has no form of which a part can be used.
var ErrForm = errors.New("is neither zstd:chunked nor eStargz")

// Parse reads the annotations of a layer. The error is ErrForm if they do not say that
// it is zstd:chunked or eStargz by gzip; any other says what is wrong with them.
func Parse(d v1.Descriptor) (*Layer, error) {
	a, l := d.Annotations, &Layer{size: d.Size}
	stargz := a[stargzDigest] != ""
	old, current := a[oldPrefix+manifestPosition] != "", a[prefix+manifestPosition] != ""
	switch {
	case current && (old || stargz):
		return nil, errors.New("it has the annotations of two forms")
	case current && a[prefix+tarSplitPosition] != "":
		return parsed(l, l.parseTOC(a, prefix), l.parseTarSplit(a))
	case old && !stargz:
		return parsed(l, l.parseTOC(a, oldPrefix))
	case stargz && !old:
		return parsed(l, l.parseStargz(a))
	}
	return nil, ErrForm
}

func parsed(l *Layer, errs ...error) (*Layer, error) {
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Layer) parseTOC(a map[string]string, prefix string) error {
	toc, err := numbers(a[prefix+manifestPosition], 4)
	if err != nil {
		return fmt.Errorf("%s: %w", manifestPosition, err)
	}
	if toc[3] != 1 {
		return fmt.Errorf("a table of contents of type %d is not supported", toc[3])
	}
	if l.TOC, err = l.table(toc); err != nil {
		return fmt.Errorf("table of contents: %w", err)
	}
	if l.TOC.Digest, err = checksum(a[prefix+manifestChecksum]); err != nil {
		return fmt.Errorf("%s: %w", manifestChecksum, err)
	}
	return nil
}

func (l *Layer) parseTarSplit(a map[string]string) error {
	split, err := numbers(a[prefix+tarSplitPosition], 3)
	if err != nil {
		return fmt.Errorf("%s: %w", tarSplitPosition, err)
	}
	if l.TarSplit, err = l.table(split); err != nil {
		return fmt.Errorf("tar-split: %w", err)
	}
	if l.TarSplit.Start < l.TOC.End+skippableHeader {
		return errors.New("the tar-split does not follow the table of contents")
	}
	if s := a[prefix+tarSplitChecksum]; s != "" {
		if l.TarSplit.Digest, err = checksum(s); err != nil {
			return fmt.Errorf("%s: %w", tarSplitChecksum, err)
		}
	}
	return nil
}

// HasTarSplit reports whether the blob has a tar-split. Else what is not the content of files is
// compressed in frames between those of the contents, see Gaps.
func (l *Layer) HasTarSplit() bool { return l.TarSplit.Plain > 0 }

// IsStargz reports whether the layer is eStargz: its tar is put together by Walk.
func (l *Layer) IsStargz() bool { return l.stargz != "" }

// Gaps returns the parts of the blob before, between and behind the contents of files, one more than
// there are files. Each is whole frames, which decode to what the tar has there. In eStargz there is only
// the one before.
func (l *Layer) Gaps(files []File) []blob.Span {
	if l.IsStargz() {
		return []blob.Span{l.head(files)}
	}
	gaps, at := make([]blob.Span, 0, len(files)+1), int64(0)
	for _, f := range files {
		gaps = append(gaps, blob.Span{Start: at, End: f.Start})
		at = f.End
	}
	return append(gaps, blob.Span{Start: at, End: l.Tail().Start})
}

// Tail returns the part of the blob that TOC, tar-split and all behind them are in.
func (l *Layer) Tail() blob.Span {
	if l.IsStargz() {
		return blob.Span{Start: l.TOC.Start, End: l.size}
	}
	return blob.Span{Start: l.TOC.Start - skippableHeader, End: l.size}
}

// table returns the table at an offset and of a length in the blob, with its length when decoded.
func (l *Layer) table(n []int64) (Table, error) {
	offset, length, plain := n[0], n[1], n[2]
	switch {
	case length > maxCompressed || plain > maxPlain:
		return Table{}, fmt.Errorf("of %d bytes, compressed to %d, is larger than %d or %d", plain, length, maxPlain, maxCompressed)
	case length == 0 || plain == 0:
		return Table{}, errors.New("is empty")
	case offset < skippableHeader || offset > l.size || length > l.size-offset:
		return Table{}, fmt.Errorf("at [%d, %d) is not inside the blob's %d bytes", offset, offset+length, l.size)
	}
	return Table{Span: blob.Span{Start: offset, End: offset + length}, Plain: plain}, nil
}

// numbers reads n decimal numbers without a sign, separated by colons.
func numbers(s string, n int) ([]int64, error) {
	words := strings.Split(s, ":")
	if len(words) != n {
		return nil, fmt.Errorf("%.100q: want %d numbers", s, n)
	}
	list := make([]int64, n)
	for i, w := range words {
		u, err := strconv.ParseUint(w, 10, 63)
		if err != nil || u > math.MaxInt64/2 || strconv.FormatUint(u, 10) != w {
			return nil, fmt.Errorf("%.100q: want %d decimal numbers", s, n)
		}
		list[i] = int64(u)
	}
	return list, nil
}

func checksum(s string) (digest.Digest, error) {
	d, err := digest.Parse(s)
	if err == nil && d.Algorithm() != digest.SHA256 {
		err = fmt.Errorf("want SHA-256")
	}
	if err != nil {
		return "", fmt.Errorf("%.100q: %w", s, err)
	}
	return d, nil
}
