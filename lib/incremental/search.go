package incremental

import (
	"context"
	"crypto/sha256"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"cfs/lib/chunked"
	"cfs/lib/corrupt"
	"cfs/lib/layer"
	"cfs/lib/oci"
	"cfs/lib/tarball"
	"cfs/lib/verity"
)

const (
	maxCandidates = 3         // that are looked at for one file
	maxMembers    = 4_000_000 // of layers that are searched for one
)

// search finds the contents of files in the repository: those of files of the same path and size in
// its layers that have the SHA-256.
func (a *Assembler) search(ctx context.Context, files []chunked.File) ([]content, error) {
	s := &search{files: files, candidates: make([][]content, len(files)), byPath: make(map[string][]int), twice: len(files), times: make(map[int64]int)}
	for n, f := range files {
		s.times[f.Modified]++
		name := clean(f.Name)
		s.byPath[name] = append(s.byPath[name], n)
	}
	for _, id := range a.Streams {
		if s.twice == 0 || s.members >= maxMembers {
			break
		}
		if err := a.searchLayer(id, s); err != nil {
			return nil, err
		}
	}
	contents, err := a.verify(ctx, files, s.candidates)
	if err != nil {
		return nil, err
	}
	shareContents(files, contents)
	return contents, nil
}

// shareContents gives all files of one content the place where one of them has it.
func shareContents(files []chunked.File, contents []content) {
	found := make(map[[32]byte]int)
	for n, f := range files {
		first, ok := found[f.SHA256]
		if !ok || contents[first].isMissing() && !contents[n].isMissing() {
			found[f.SHA256] = n
		}
	}
	for n, f := range files {
		first := found[f.SHA256]
		contents[n].same = n
		if files[first].Size == f.Size && contents[n].isMissing() {
			contents[n] = contents[first]
			contents[n].same = first
		}
	}
}

// search is a walk through layers that looks for files.
type search struct {
	files      []chunked.File
	candidates [][]content // of each file
	byPath     map[string][]int
	twice      int // files that have not been met twice yet
	members    int
	times      map[int64]int // how many files have each time of modification
}

// tells reports whether a file of the same path, size and time of modification may be taken for the same without
// a look at its content: if that is wrong, the diff ID will tell. A time that more than a quarter of the files
// have says nothing: a builder has set it.
func (s *search) tells(modified int64) bool {
	return modified > 0 && s.times[modified] <= len(s.files)/4
}

// searchLayer looks through a layer. One that cannot be read is not searched any further.
func (a *Assembler) searchLayer(id verity.ID, s *search) error {
	targets := make(map[string][]string) // of hard links, the paths of the links that are wanted
	err := a.members(id, s, func(m *tarball.Member, c content) {
		name := clean(m.Name)
		if m.IsRegular() {
			s.meet(name, c, m)
		} else if target := clean(m.Link); m.Type == '1' && s.byPath[name] != nil {
			targets[target] = append(targets[target], name)
		}
	})
	if err != nil || len(targets) == 0 {
		return err
	}
	return a.members(id, s, func(m *tarball.Member, c content) {
		for _, name := range targets[clean(m.Name)] {
			if m.IsRegular() {
				s.meet(name, c, m)
			}
		}
	})
}

// members calls do with the members of a layer.
func (a *Assembler) members(id verity.ID, s *search, do func(*tarball.Member, content)) error {
	stream, closer, err := oci.OpenStream(a.Repo, id)
	if corrupt.IsDamage(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	r, err := layer.NewReader(stream)
	for err == nil && s.members < maxMembers {
		m, object, inline, next := r.Next()
		if err = next; err == nil {
			s.members++
			c := content{object: object}
			if object.IsZero() {
				c.inline = []byte(inline)
			}
			do(m, c)
		}
	}
	if err == io.EOF || corrupt.IsDamage(err) {
		return nil
	}
	return err
}

// meet takes in a file that a layer has.
func (s *search) meet(name string, c content, m *tarball.Member) {
	for _, n := range s.byPath[name] {
		known, f := &s.candidates[n], s.files[n]
		c.guessed = len(*known) == 0 && f.Modified == m.Mtime.Sec && s.tells(f.Modified)
		if f.Size != int64(m.Size) || len(*known) == maxCandidates || slices.ContainsFunc(*known, func(k content) bool { return k.object == c.object && string(k.inline) == string(c.inline) }) {
			continue
		}
		*known = append(*known, c)
		if len(*known) == 2 {
			s.twice--
		}
	}
}

// verify takes for each file the first candidate that has its digest. One that was guessed is taken as it is.
func (a *Assembler) verify(ctx context.Context, files []chunked.File, candidates [][]content) ([]content, error) {
	chosen := make([]content, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for n, list := range candidates {
		if len(list) == 0 {
			continue
		}
		if list[0].guessed {
			chosen[n] = list[0]
			continue
		}
		group.Go(func() error {
			for _, c := range list {
				if err := ctx.Err(); err != nil {
					return err
				}
				sum, err := a.sum(c)
				if err != nil && !corrupt.IsDamage(err) {
					return err
				}
				if err == nil && sum == files[n].SHA256 {
					chosen[n] = c
					return nil
				}
			}
			return nil
		})
	}
	return chosen, group.Wait()
}

// buffers are what objects are read through.
var buffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// sum returns the SHA-256 of a content of the repository.
func (a *Assembler) sum(c content) (sum [32]byte, err error) {
	if c.object.IsZero() {
		return sha256.Sum256(c.inline), nil
	}
	a.mu.Lock()
	sum, ok := a.sums[c.object]
	a.mu.Unlock()
	if ok {
		return sum, nil
	}
	f, err := a.Repo.Objects.Open(c.object)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	hash, buffer := sha256.New(), buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	if _, err := io.CopyBuffer(struct{ io.Writer }{hash}, struct{ io.Reader }{f}, *buffer); err != nil {
		return sum, err
	}
	hash.Sum(sum[:0])
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sums == nil {
		a.sums = make(map[verity.ID][32]byte)
	}
	a.sums[c.object] = sum
	return sum, nil
}

// clean returns the name of a member as names are compared: a TOC has U+FFFD for each byte that is
// not UTF-8.
func clean(name string) string {
	if !utf8.ValidString(name) {
		name = string([]rune(name))
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}
