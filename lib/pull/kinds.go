package pull

import (
	"slices"

	"cfs/lib/record"
)

// The kinds of records.
const (
	kindFetching = "fetching" // layer whose bytes are on their way
	kindLayer    = "layer"    // of a container image
	kindBlob     = "blob"     // layer of an artifact
	kindConfig   = "config"   // of either
	kindImage    = "image"    // EROFS image
	kindPartial  = "partial"  // what could not be made
	kindTag      = "tag"      // name of a manifest
	kindReferrer = "referrer" // artifact that belongs to an image
	kindManifest = "manifest" // the commit

	kindSignature = "signature" // digest that is claimed of an image
	kindBoot      = "boot"      // installed boot entry
)

// The keys of records.
const (
	keyDiffID    = "diff-id"
	keyMediaType = "media-type"
	keySize      = "size"
	keyFor       = "for"
	keyNew       = "new" // bytes of objects that were stored for a layer just now
	keySource    = "source"
	keyPath      = "path"
	keySpooled   = "spooled"
	keyForm      = "form"
	keyDirs      = "dirs"
	keyProved    = "proved"
	keyStream    = "stream"
	keyVariant   = "variant"
	keyFormat    = "erofs-version"
	keyXattrs    = "xattrs"
	keyName      = "name"
	keyWhat      = "what"
	keyStatus    = "status"
	keySubject   = "subject"
	keyArtifact  = "artifact-type"
	keyRole      = "role"
	keyAlgorithm = "algorithm"
	keyMode      = "mode"
	keyState     = "state"
	keySigner    = "signer"
	keyManifest  = "manifest"
	keyID        = "id"
	keyKind      = "kind"
	keyEntry     = "entry"
	keyCounter   = "counter"
	keyBooted    = "booted"
	keyProblem   = "problem"
)

// origin is the record that a typed one was read from: it has the keys that nobody here
// knows, the order of all, and how values were spelled. It is empty for a record that is
// made here.
type origin struct {
	was  record.Record
	said []record.Key // what the typed record says by itself, unchanged
}

// record returns the record of a kind and a digest with the values of its keys. What is
// still said as it was stays as it was; an empty value removes its key; what is new comes
// last, in the order of keys.
func (o origin) record(kind, digest string, keys []record.Key) record.Record {
	rec := record.Record{Kind: kind, Digest: orNone(digest), Keys: o.was.Keys}
	for _, k := range keys {
		switch {
		case slices.Contains(o.said, k):
		case k.Value == "":
			rec = rec.Without(k.Name)
		default:
			rec = rec.Set(k.Name, k.Value)
		}
	}
	return rec
}

// orNone returns a digest as records have it.
func orNone(digest string) string {
	if digest == "" {
		return record.None
	}
	return digest
}
