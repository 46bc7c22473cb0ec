package spool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/blob"
	"cfs/lib/corrupt"
)

// make makes the files of the layout that are missing, or of which a power cut has left no
// more than a part: nothing else verifies them, and the spool would be unusable for ever.
func (s *Spool) make(ctx context.Context) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for name, content := range map[string]any{
		v1.ImageLayoutFile: v1.ImageLayout{Version: v1.ImageLayoutVersion},
		v1.ImageIndexFile:  emptyIndex(),
	} {
		whole, err := s.isWhole(name)
		if err == nil && !whole {
			err = s.writeJSON(name, content)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func emptyIndex() v1.Index {
	return v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
}

// isWhole reports whether a file of the layout is there and does not end too early. Whether
// it makes sense is seen when it is parsed.
func (s *Spool) isWhole(name string) (bool, error) {
	f, err := s.root.OpenRegular(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	text, err := blob.ReadJSON(f, name)
	if corrupt.Is(err) {
		return true, nil
	}
	return err == nil && !isCut(text), err
}

// isCut reports whether a text is what a power cut leaves of JSON: nothing, its beginning,
// or zeros from some byte on.
func isCut(text []byte) bool {
	var value json.RawMessage
	err := json.NewDecoder(bytes.NewReader(bytes.TrimRight(text, "\x00"))).Decode(&value)
	return err == io.EOF || err == io.ErrUnexpectedEOF
}

// cure adds to the error about a file of the layout how to get rid of it.
func (s *Spool) cure(name string, err error) error {
	if !corrupt.Is(err) {
		return err
	}
	return fmt.Errorf("%w; if no other tool uses this layout, remove %s: it will be recreated", err, filepath.Join(s.dir, name))
}

// writeJSON is writeFile for a value.
func (s *Spool) writeJSON(name string, content any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return s.writeFile(name, text)
}

// writeFile writes a file of the layout durably, under the lock: it has its name only when
// its content is on disk. What a killed process leaves has a fixed name, which is reused.
func (s *Spool) writeFile(name string, text []byte) error {
	f, err := s.openOwn(name + partialSuffix)
	if err != nil {
		return err
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.root.Rename(name+partialSuffix, name); err != nil {
		return err
	}
	return s.root.SyncDir(".")
}
