package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"cfs/lib/verity"
)

// minRSA is the least size in bits of an RSA key that signs.
const minRSA = 2048

// Signer signs fs-verity digests by a key.
type Signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// NewSigner returns the Signer of a key and its certificate: RSA of 2048 bits or more, or
// P-256. Errors say nothing of the key.
func NewSigner(cert *x509.Certificate, key crypto.Signer) (*Signer, error) {
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSA {
			return nil, fmt.Errorf("RSA key of %d bits: want %d or more", public.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return nil, fmt.Errorf("key on the curve %s: want P-256", public.Params().Name)
		}
	default:
		return nil, fmt.Errorf("key of the type %T: want RSA or P-256", public)
	}
	if public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(key.Public()) {
		return nil, errors.New("the certificate does not belong to the key")
	}
	return &Signer{cert: cert, key: key}, nil
}

// Sign returns the signature of a digest. It is over the hash that fs-verity uses. By RSA it is
// the same each time.
func (s *Signer) Sign(id verity.ID) ([]byte, error) {
	alg := digestAlgorithms[1]
	if id.Algorithm() == verity.SHA256 {
		alg = digestAlgorithms[0]
	}
	// RSA by PKCS #1 v1.5, ECDSA in DER, which is what these keys do without further options.
	signature, err := s.key.Sign(rand.Reader, alg.sum(Bytes(id)), alg.hash)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	name, err := asn1.Marshal(issuerAndSerial{asn1.RawValue{FullBytes: s.cert.RawIssuer}, s.cert.SerialNumber})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	md := pkix.AlgorithmIdentifier{Algorithm: alg.oid, Parameters: asn1.NullRawValue}
	m := signedData{Version: 1, DigestAlgorithms: []pkix.AlgorithmIdentifier{md}, Data: emptyContent{oidData}}
	m.Signers = []signerInfo{{
		Version: 1, ID: asn1.RawValue{FullBytes: name}, Digest: md, Encryption: s.encryption(alg), EncryptedDigest: signature,
	}}
	return asn1.Marshal(contentInfo{oidSignedData, m})
}

// encryption names what signs. Linux knows RSA by the plain key type alone.
func (s *Signer) encryption(alg digestAlgorithm) pkix.AlgorithmIdentifier {
	if _, ok := s.key.Public().(*rsa.PublicKey); ok {
		return pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}
	}
	return pkix.AlgorithmIdentifier{Algorithm: alg.ecdsa}
}
