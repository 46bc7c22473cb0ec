package oci

import (
	"bytes"
	"fmt"
	"io"

	"cfs/lib/repo"
	"cfs/lib/splitstream"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Needs is what a stream refers to itself.
type Needs struct {
	Objects []verity.ID       // alone
	Images  []splitstream.Ref // EROFS images, whose files are kept by the layers that they were made from
	Streams []splitstream.Ref // with all that these need
}

// ReadNeeds returns what a stream refers to. After an error that may not be all.
func ReadNeeds(r *repo.Repo, id verity.ID) (n Needs, err error) {
	s, closer, err := OpenStream(r, id)
	if err != nil {
		return n, err
	}
	defer closer.Close() // which was only read
	n.Objects = s.Objects
	ours := s.ContentType == splitstream.Manifest || s.ContentType == splitstream.Config
	for _, ref := range s.Refs {
		switch {
		case variant.IsKey(ref.Name):
			n.Images = append(n.Images, ref)
		case ours:
			n.Streams = append(n.Streams, ref)
		default:
			if err := n.addUnknown(r, ref); err != nil {
				return n, inStream(id, ref, err)
			}
		}
	}
	return n, nil
}

// addUnknown adds what a stream of a kind that is not ours refers to: another stream, or an
// object alone.
func (n *Needs) addUnknown(r *repo.Repo, ref splitstream.Ref) error {
	n.Objects = append(n.Objects, ref.ID)
	f, err := r.Objects.Open(ref.ID)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [32]byte // the magic stands in the header, in one of two places
	got, err := f.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return err
	}
	if bytes.Contains(head[:got], []byte("SplitStream")) {
		n.Streams = append(n.Streams, ref)
	}
	return nil
}

func inStream(id verity.ID, ref splitstream.Ref, err error) error {
	return fmt.Errorf("stream %s: reference %q: %w", id, ref.Name, err)
}
