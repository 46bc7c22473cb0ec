package pull

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/record"
	"cfs/lib/spool"
	"cfs/lib/verity"
)

// Blob is what records of a layer, of a config and of a manifest have in common.
type Blob struct {
	Digest    digest.Digest // "" if not known
	MediaType string
	Size      int64     // in bytes, negative if not known
	Path      string    // of the file with its bytes, "" if there is none
	Spooled   bool      // that file is in the spool, and may be removed after use
	Stream    verity.ID // the splitstream that it is stored as, zero if it is not

	origin origin
}

// describe returns the blob of a descriptor, which is nowhere yet.
func describe(d v1.Descriptor) Blob {
	return Blob{Digest: d.Digest, MediaType: d.MediaType, Size: d.Size}
}

// made has the blob print all of keys, also those without a value: a descriptor may say
// nothing of a media type.
func (b *Blob) made(keys ...record.Key) {
	b.origin = origin{record.Record{Keys: keys}, keys}
}

func parseBlob(rec record.Record) (b Blob, err error) {
	b = Blob{Size: -1, MediaType: rec.Get(keyMediaType), Path: rec.Get(keyPath), Spooled: rec.Get(keySpooled) == spooled}
	if rec.Digest != record.None {
		if b.Digest, err = digest.Parse(rec.Digest); err != nil {
			return b, fmt.Errorf("no OCI digest: %w", err)
		}
	}
	if s := rec.Get(keySize); s != "" {
		if b.Size, err = strconv.ParseInt(s, 10, 64); err != nil || b.size() != s {
			return b, fmt.Errorf("size %q is not a number of bytes", s)
		}
	}
	if s := rec.Get(keyStream); s != "" {
		if b.Stream, err = verity.ParseID(s); err != nil {
			return b, fmt.Errorf("stream=: %w", err)
		}
	}
	return b, nil
}

// parseOptional reads the OCI digest that a key has as its value, if there is one.
func parseOptional(rec record.Record, key string) (digest.Digest, error) {
	s := rec.Get(key)
	if s == "" {
		return "", nil
	}
	d, err := digest.Parse(s)
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", key, s, err)
	}
	return d, nil
}

// spooled is the value of that key; others mean nothing.
const spooled = "1"

func (b *Blob) size() string {
	if b.Size < 0 {
		return ""
	}
	return strconv.FormatInt(b.Size, 10)
}

// place returns the keys that say where the blob is.
func (b *Blob) place() []record.Key {
	keys := []record.Key{{Name: keyPath, Value: b.Path}, {Name: keySpooled}, {Name: keyStream, Value: b.Stream.String()}}
	if b.Spooled {
		keys[1].Value = spooled
	}
	return keys
}

// store notes that the blob is stored as a splitstream, and says no more where its bytes
// were before.
func (b *Blob) store(id verity.ID) {
	b.Path, b.Spooled, b.Stream = "", false, id
	b.origin.was = b.origin.was.Without(keyPath, keySpooled)
}

// removeSpooled removes the file with the bytes, if the record says that it is in the
// spool: the blob is stored, and its digest verified, by now.
func (b *Blob) removeSpooled() error {
	if !b.Spooled {
		return nil
	}
	return spool.Remove(b.Path, b.Digest)
}
