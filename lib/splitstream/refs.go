package splitstream

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// readNamedRefs reads "INDEX:NAME\0" records; INDEX counts the targets.
func readNamedRefs(section *io.SectionReader, targets []verity.ID) ([]Ref, error) {
	if section.Size() == 0 {
		return nil, corrupt.Errorf("splitstream named refs: not a zstd frame")
	}
	source, d, err := newDecoder(section)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	text, err := io.ReadAll(io.LimitReader(d, maxNamedRefs+1))
	if err != nil {
		return nil, source.Errorf("splitstream named refs: %w", err)
	}
	if len(text) > maxNamedRefs {
		return nil, corrupt.Errorf("splitstream named refs: more than %d bytes", maxNamedRefs)
	}
	var refs []Ref
	for at := 0; at < len(text); {
		record, _, ok := bytes.Cut(text[at:], []byte{0})
		if !ok {
			return nil, corrupt.Errorf("splitstream named ref at byte %d does not end", at)
		}
		ref, err := parseRef(record, targets)
		if err != nil {
			return nil, corrupt.Errorf("splitstream named ref at byte %d: %w", at, err)
		}
		refs = append(refs, ref)
		at += len(record) + 1
	}
	return sortRefs(refs)
}

func parseRef(record []byte, targets []verity.ID) (Ref, error) {
	index, name, ok := bytes.Cut(record, []byte(":"))
	if !ok {
		return Ref{}, corrupt.Errorf("%q has no colon", record)
	}
	i, err := strconv.ParseUint(string(index), 10, 32)
	if err != nil || i >= uint64(len(targets)) {
		return Ref{}, corrupt.Errorf("%q refers to none of the %d targets", record, len(targets))
	}
	if !utf8.Valid(name) {
		return Ref{}, corrupt.Errorf("name %q is not UTF-8", name)
	}
	return Ref{string(name), targets[i]}, nil
}

func sortRefs(refs []Ref) ([]Ref, error) {
	slices.SortStableFunc(refs, compareRefs)
	for i := 1; i < len(refs); i++ {
		if refs[i].Name == refs[i-1].Name {
			return nil, corrupt.Errorf("splitstream has two named refs %q", refs[i].Name)
		}
	}
	return refs, nil
}

// Ref returns the target of a named reference, the zero ID if there is none.
func (s *Reader) Ref(name string) verity.ID {
	for _, ref := range s.Refs {
		if ref.Name == name {
			return ref.ID
		}
	}
	return verity.ID{}
}
