package signature

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"

	"cfs/lib/corrupt"
)

// The types of RFC 2315, 7 and 9, as far as they are used here.

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content signedData `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version          int
	DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
	Data             emptyContent
	Certificates     rawField     `asn1:"optional,tag:0"`
	CRLs             rawField     `asn1:"optional,tag:1"`
	Signers          []signerInfo `asn1:"set"`
}

// emptyContent is content that is elsewhere: its type alone.
type emptyContent struct{ Type asn1.ObjectIdentifier }

// rawField is a field as it is encoded, empty if it is not there.
type rawField struct{ Raw asn1.RawContent }

type signerInfo struct {
	Version         int
	ID              asn1.RawValue // issuerAndSerial, or [0] the subject key identifier
	Digest          pkix.AlgorithmIdentifier
	Signed          rawField `asn1:"optional,tag:0"`
	Encryption      pkix.AlgorithmIdentifier
	EncryptedDigest []byte
	Unsigned        rawField `asn1:"optional,tag:1"`
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

// parse reads a blob. Whether it is DER to its last byte, without anything that is not in the
// types, it finds out by encoding what it has read: the two must be equal.
func parse(blob []byte) (signedData, error) {
	if len(blob) > MaxSize {
		return signedData{}, corrupt.Errorf("signature of %d bytes is larger than %d", len(blob), MaxSize)
	}
	m, rest, err := decode(blob)
	switch {
	case err != nil:
		return signedData{}, err
	case len(rest) > 0:
		return signedData{}, corrupt.Errorf("%d bytes after the signature", len(rest))
	case !m.Type.Equal(oidSignedData):
		return signedData{}, corrupt.Errorf("signature has the content type %s, not that of SignedData", m.Type)
	case !m.Content.Data.Type.Equal(oidData):
		return signedData{}, corrupt.Errorf("signature is over content of type %s, not of data", m.Content.Data.Type)
	}
	for _, md := range m.Content.DigestAlgorithms {
		if _, ok := algorithmOf(md); !ok {
			return signedData{}, corrupt.Errorf("signature is over a digest of type %s, not SHA-256 or SHA-512", md.Algorithm)
		}
	}
	if again, err := asn1.Marshal(m); err != nil || !bytes.Equal(again, blob) {
		return signedData{}, corrupt.Errorf("signature is not DER, or holds content or fields that it should not")
	}
	return m.Content, nil
}

// decode reads as much of a blob as has a meaning, and returns what is behind that.
func decode(blob []byte) (m contentInfo, rest []byte, err error) {
	if rest, err = asn1.Unmarshal(blob, &m); err != nil {
		err = corrupt.Errorf("signature is not DER of a PKCS#7 SignedData: %w", err)
	}
	return m, rest, err
}
