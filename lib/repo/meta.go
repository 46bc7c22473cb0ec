package repo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
	"cfs/lib/objects"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// MetaVersion is the version of a repository, as its meta.json has it.
const MetaVersion = 1

const (
	metaName  = "meta.json"
	v1Feature = "v1_erofs" // read-only-compatible: the default format is EROFS V1
	maxMeta   = 1 << 20    // bytes of meta.json that are read
)

// meta is meta.json, its fields in the order in which they are written.
type meta struct {
	Version   *uint64  `json:"version"`
	Algorithm string   `json:"algorithm"`
	Features  features `json:"features"`
	Formats   *formats `json:"erofs_formats,omitempty"`
}

type features struct {
	Compatible   []string `json:"compatible"`
	ReadOnly     []string `json:"read-only-compatible"`
	Incompatible []string `json:"incompatible"`
}

type formats struct {
	Default uint64   `json:"default"`
	Extra   []uint64 `json:"extra,omitempty"`
}

// newMeta returns the metadata of a new repository.
func newMeta(a verity.Algorithm, list []variant.Format) meta {
	version := uint64(MetaVersion)
	m := meta{
		Version:   &version,
		Algorithm: a.String(),
		Features:  features{Compatible: []string{}, ReadOnly: []string{}, Incompatible: []string{}},
		Formats:   &formats{Default: uint64(list[0]), Extra: extra(list)},
	}
	if list[0] == variant.V1 {
		m.Features.ReadOnly = []string{v1Feature}
	}
	return m
}

// extra returns the formats but the default, which is the first, sorted.
func extra(list []variant.Format) []uint64 {
	var numbers []uint64
	for _, f := range list {
		if f != list[0] {
			numbers = append(numbers, uint64(f))
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// text returns the file: indented by two spaces, one newline at the end.
func (m meta) text() []byte {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		panic(err) // strings and numbers can be marshalled
	}
	return append(text, '\n')
}

// formats returns the formats of the repository's EROFS images, the default first. Where
// meta.json does not say, and where it says what the first writers of the field
// said in every case, the feature decides.
func (m meta) formats() ([]variant.Format, error) {
	if m.Formats != nil {
		list, err := m.Formats.parse()
		if err != nil || list[0] != variant.V2 || len(list) > 1 {
			return list, err
		}
	}
	if slices.Contains(m.Features.ReadOnly, v1Feature) {
		return []variant.Format{variant.V1}, nil
	}
	return []variant.Format{variant.V2}, nil
}

// parse returns the formats, the default first, the others in order and each once.
func (f formats) parse() ([]variant.Format, error) {
	slices.Sort(f.Extra)
	var list []variant.Format
	for _, n := range append([]uint64{f.Default}, f.Extra...) {
		format, ok := variant.FormatOf(n)
		if !ok {
			return nil, corrupt.Errorf("%s: EROFS version %d is not supported", metaName, n)
		}
		if !slices.Contains(list, format) {
			list = append(list, format)
		}
	}
	return list, nil
}

// parseMeta reads meta.json. Keys that it does not know are ignored, versions and
// incompatible features that it does not know are refused.
func parseMeta(text []byte) (meta, error) {
	var m meta
	if err := json.Unmarshal(text, &m); err != nil {
		return m, corrupt.Errorf("%s: %w", metaName, err)
	}
	if m.Version == nil {
		return m, corrupt.Errorf("%s: no version", metaName)
	}
	if *m.Version > MetaVersion {
		return m, fmt.Errorf("%s: version %d is newer than this program", metaName, *m.Version)
	}
	if len(m.Features.Incompatible) > 0 {
		return m, fmt.Errorf("%s: the repository needs features that this program does not support: %q", metaName, m.Features.Incompatible)
	}
	_, err := m.formats()
	return m, err
}

// readMeta reads what the repository is and how it is protected.
func (r *Repo) readMeta() error {
	f, err := r.root.OpenRegular(metaName)
	if errors.Is(err, fs.ErrNotExist) {
		return r.guess()
	}
	if errors.Is(err, fd.ErrNotRegular) {
		return corrupt.Errorf("%s %w", metaName, fd.ErrNotRegular)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := objects.ReadAll(f, maxMeta)
	if err != nil {
		return err
	}
	m, err := parseMeta(text)
	if err != nil {
		return err
	}
	if r.Algorithm, err = verity.ParseAlgorithm(m.Algorithm); err != nil || m.Algorithm != r.Algorithm.String() {
		return corrupt.Errorf("%s: algorithm %q is not supported", metaName, m.Algorithm)
	}
	if r.Formats, err = m.formats(); err != nil {
		return err
	}
	for _, f := range m.Features.ReadOnly {
		if f != v1Feature {
			r.readOnly = fmt.Errorf("%s: feature %q is not supported by this program, so the repository is read-only", metaName, f)
		}
	}
	return r.probe(f, text)
}

// guess is for repositories from before meta.json: the names of their objects
// tell the algorithm, and they are of EROFS V2. Nothing is written.
func (r *Repo) guess() error {
	list, err := r.store()
	if err != nil {
		return err
	}
	defer list.Close()
	for id, err := range list.List() {
		if objects.IsStray(err) {
			continue // which tells nothing
		}
		if err != nil {
			return err
		}
		f, err := list.Open(id)
		if err != nil {
			return err
		}
		defer f.Close()
		r.Algorithm, r.Formats, r.NoMeta = id.Algorithm(), []variant.Format{variant.V2}, true
		r.readOnly = fmt.Errorf("it has no %s, so it is of an older version and read-only", metaName)
		return r.probe(f.File(), nil)
	}
	return fmt.Errorf("no composefs repository: %s: %w", metaName, fs.ErrNotExist)
}

// probe finds out from one file of the repository whether all are protected by
// fs-verity. If the file's content is given, it must be what is protected.
func (r *Repo) probe(f *os.File, content []byte) error {
	id, err := verity.Measure(f)
	switch {
	case errors.Is(err, verity.ErrUnsupported), errors.Is(err, verity.ErrNotEnabled):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", f.Name(), err)
	case id.Algorithm() != r.Algorithm:
		return corrupt.Errorf("%s: protected by %s, the repository is %s", f.Name(), id.Algorithm(), r.Algorithm)
	case content != nil && r.Algorithm.Sum(content) != id:
		return corrupt.Errorf("%s: changed while it was read", f.Name())
	}
	r.Secure = true
	return nil
}
