// Package signature makes and verifies signatures of fs-verity digests in the format of the
// kernel's builtin fs-verity signatures: a DER encoded PKCS#7 SignedData (RFC 2315) without
// content, signed attributes or certificates, over struct fsverity_formatted_digest.
//
// The output is the same as that of `fsverity sign`, byte for byte. Only what Linux accepts is
// accepted (crypto/asymmetric_keys/pkcs7_parser.c), and less where other programs would interpret
// a blob differently.
package signature

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // the hashes that Verify may meet
	_ "crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"slices"

	"cfs/lib/verity"
)

// MaxSize is the size in bytes of the largest blob: FS_VERITY_MAX_SIGNATURE_SIZE of Linux.
const MaxSize = 16128

// Bytes returns what is signed for an fs-verity digest: 44 bytes for SHA-256, 76 for SHA-512. It
// is struct fsverity_formatted_digest (Linux, include/uapi/linux/fsverity.h): a magic text, the
// number of the hash algorithm, the size of the digest, the digest.
func Bytes(id verity.ID) []byte {
	const sha256, sha512 = 1, 2 // FS_VERITY_HASH_ALG_*
	number := uint16(sha512)
	if id.Algorithm() == verity.SHA256 {
		number = sha256
	}
	b := binary.LittleEndian.AppendUint16([]byte("FSVerity"), number)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(id.Bytes())))
	return append(b, id.Bytes()...)
}

var (
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidRSA        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
)

// digestAlgorithm is a hash that signatures are made over.
type digestAlgorithm struct {
	hash       crypto.Hash
	oid, ecdsa asn1.ObjectIdentifier // of the hash, and of ECDSA over it
}

var digestAlgorithms = []digestAlgorithm{
	{crypto.SHA256, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}},
	{crypto.SHA512, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}},
}

// algorithmOf returns the hash of an identifier.
func algorithmOf(id pkix.AlgorithmIdentifier) (digestAlgorithm, bool) {
	i := slices.IndexFunc(digestAlgorithms, func(a digestAlgorithm) bool { return a.oid.Equal(id.Algorithm) })
	if i < 0 || !plain(id) {
		return digestAlgorithm{}, false
	}
	return digestAlgorithms[i], true
}

// plain reports whether an algorithm has no parameters: none at all, or NULL.
func plain(a pkix.AlgorithmIdentifier) bool {
	return len(a.Parameters.FullBytes) == 0 || bytes.Equal(a.Parameters.FullBytes, asn1.NullBytes)
}

// sum hashes data.
func (a digestAlgorithm) sum(data []byte) []byte {
	h := a.hash.New()
	h.Write(data)
	return h.Sum(nil)
}
