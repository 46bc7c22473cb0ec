package oci

import (
	"errors"
	"fmt"
	"io"
	"os"

	"cfs/lib/corrupt"
	"cfs/lib/layer"
	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Tree merges layers, whose keys are given in order, into the root file system of
// a container, in its canonical form. stream tells the stream of each layer; rules collect
// what is tolerated. A stream that was cut by other rules is cut anew for this once: nothing
// is stored.
func Tree(r *repo.Repo, keys []Key, stream func(Key) verity.ID, mode variant.XattrMode, rules *tolerance.Rules) (*tree.Inode, error) {
	m := merging{repo: r, mode: mode, rules: rules, stream: stream, files: make(map[Key]*os.File)}
	defer m.close()
	m.recut = m.recutForOnce
	return m.tree(keys)
}

// Tree merges the layers into the root file system of the container. A stream that was
// cut by other rules is cut anew and stored, and Streams has the new one then.
func (l *Link) Tree(r *repo.Repo, mode variant.XattrMode, rules *tolerance.Rules) (*tree.Inode, error) {
	if err := l.CheckLayers(r); err != nil {
		return nil, err
	}
	m := merging{repo: r, mode: mode, rules: rules, stream: func(key Key) verity.ID { return l.Streams[key] }, entry: l.Entry}
	m.recut = func(key Key) error {
		id, err := storeCut(r, key, l.Streams[key])
		if err == nil {
			l.Streams[key] = id
		}
		return err
	}
	return m.tree(l.Keys)
}

// ReadLayer opens the stream of a layer, which must be that of a tar, for do to read. If it
// was cut by other rules, do gets it cut anew; nothing is stored.
func ReadLayer(r *repo.Repo, id verity.ID, do func(*layer.Reader) error) error {
	m := merging{repo: r, stream: func(Key) verity.ID { return id }, files: make(map[Key]*os.File)}
	defer m.close()
	if err := m.with("", readThrough); isCut(err) {
		if err := m.recutForOnce(""); err != nil && !errors.Is(err, errNotCut) {
			return err
		}
	}
	return m.with("", func(s *splitstream.Reader) error {
		l, err := layer.NewReader(s)
		if err != nil {
			return err
		}
		return do(l)
	})
}

// merging is a merge of layers.
type merging struct {
	repo   *repo.Repo
	mode   variant.XattrMode
	rules  *tolerance.Rules
	stream func(Key) verity.ID
	files  map[Key]*os.File // streams that were cut anew and not stored
	entry  func(n int64)    // of layer.Merger
	recut  func(Key) error  // cuts a stream anew; the error may be errNotCut
}

// tree merges the layers, again if some had to be cut anew first.
func (m *merging) tree(keys []Key) (*tree.Inode, error) {
	root, merged, err := m.merge(keys)
	if !isCut(err) {
		return root, err
	}
	if err := m.recutAll(keys[merged:]); err != nil {
		return nil, err
	}
	root, _, err = m.merge(keys)
	return root, err
}

// isCut reports whether a stream may have been cut by other rules.
func isCut(err error) bool {
	_, ok := errors.AsType[*layer.CutError](err)
	return ok
}

// merge also returns how many layers were merged.
func (m *merging) merge(keys []Key) (*tree.Inode, int, error) {
	g := layer.Merger{Xattrs: m.mode, Rules: m.rules, Entry: m.entry}
	for i, key := range keys {
		g.Layer = "layer " + key.String()
		if err := m.with(key, g.Add); err != nil {
			return nil, i, err
		}
	}
	root, err := g.Tree()
	return root, len(keys), err
}

// recutAll cuts anew the streams that need it. All are looked at, so that layers are
// merged twice at most. One that is damaged stays as it is.
func (m *merging) recutAll(keys []Key) error {
	seen := make(map[Key]bool)
	for _, key := range keys {
		if seen[key] {
			continue
		}
		switch err := m.with(key, readThrough); {
		case err != nil && !corrupt.IsDamage(err):
			return err
		case !isCut(err):
			continue
		}
		seen[key] = true
		if err := m.recut(key); err != nil && !errors.Is(err, errNotCut) {
			return fmt.Errorf("layer %s: %w", key, err)
		}
	}
	return nil
}

// readThrough reads all members of a layer.
func readThrough(s *splitstream.Reader) error {
	r, err := layer.NewReader(s)
	for err == nil {
		_, _, _, err = r.Next()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// with opens the stream of a layer and does something with it. Errors name the layer, if
// there is a key.
func (m *merging) with(key Key, do func(*splitstream.Reader) error) error {
	s, closer, err := m.open(key)
	if err == nil {
		err = errors.Join(do(s), closer.Close())
	}
	if err != nil && key != "" {
		return fmt.Errorf("layer %s: %w", key, err)
	}
	return err
}

func (m *merging) open(key Key) (*splitstream.Reader, io.Closer, error) {
	if f := m.files[key]; f != nil {
		st, err := f.Stat()
		if err != nil {
			return nil, nil, err
		}
		s, err := splitstream.NewReader(f, st.Size())
		return s, closer{s, io.NopCloser(nil)}, err
	}
	id := m.stream(key)
	if id.IsZero() {
		return nil, nil, corrupt.Errorf("nothing refers to its stream")
	}
	return OpenStream(m.repo, id)
}

// recutForOnce cuts a stream anew into a file.
func (m *merging) recutForOnce(key Key) error {
	put := func(content io.Reader, _ int64) (verity.ID, error) {
		id, _, err := m.repo.Algorithm.SumReader(content)
		return id, err
	}
	return recut(m.repo, key, m.stream(key), put, func(w *splitstream.Writer) error {
		f, err := scratch(m.repo)
		if err != nil {
			return err
		}
		m.files[key] = f
		return w.Finish(f)
	})
}

func (m *merging) close() {
	for _, f := range m.files {
		f.Close()
	}
}
