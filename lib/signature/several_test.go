package signature

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// joined returns a blob with the signers of several, and with certificates; change may alter it.
func joined(t testing.TB, certs [][]byte, change func(*signedData), blobs ...[]byte) []byte {
	t.Helper()
	var m contentInfo
	for n, blob := range blobs {
		one, _, err := decode(blob)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			m = one
		} else {
			m.Content.Signers = append(m.Content.Signers, one.Content.Signers...)
		}
	}
	if len(certs) > 0 {
		field, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: bytes.Join(certs, nil)})
		if err != nil {
			t.Fatal(err)
		}
		m.Content.Certificates.Raw = field
	}
	if change != nil {
		change(&m.Content)
	}
	blob, err := asn1.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func sign(t testing.TB, name string, id verity.ID) []byte {
	t.Helper()
	blob, err := signer(t, name).Sign(id)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// TestSeveralSigners: a blob is refused that Linux refuses because of another signer or
// certificate in it (pkcs7_verify.c, pkcs7_trust.c, pkcs7_parser.c).
func TestSeveralSigners(t *testing.T) {
	id, wrong := idOf(t, vector(t, "base/merged.sha512-12.tbs")), verity.SHA512.Sum([]byte("other"))
	good, other, bad := sign(t, "TEST", id), sign(t, "TEST-other", id), sign(t, "TEST-other", wrong)
	one, both := certificates(t, "TEST-cert.pem"), append(certificates(t, "TEST-cert.pem"), certificates(t, "TEST-other-cert.pem")...)
	own, others := one[0].Raw, both[1].Raw
	forged := bytes.Clone(own)
	forged[len(forged)-1] ^= 1
	of := func(signature []byte, change func(*signerInfo)) func(*signedData) {
		return func(m *signedData) {
			for i := range m.Signers {
				if !bytes.Equal(m.Signers[i].EncryptedDigest, signature) {
					change(&m.Signers[i])
				}
			}
		}
	}
	m, _, err := decode(good)
	if err != nil {
		t.Fatal(err)
	}
	mine := m.Content.Signers[0].EncryptedDigest
	for name, c := range map[string]struct {
		blob    []byte
		trusted []*x509.Certificate
		ok      bool
	}{
		"a stranger":                     {joined(t, nil, nil, good, other), one, true},
		"a stranger who may be wrong":    {joined(t, nil, nil, good, bad), one, true},
		"both trusted":                   {joined(t, nil, nil, good, other), both, true},
		"one of two trusted is wrong":    {joined(t, nil, nil, good, bad), both, false},
		"the first of two is wrong":      {joined(t, nil, nil, bad, good), both, false},
		"a stranger's certificate":       {joined(t, [][]byte{others}, nil, good, other), one, true},
		"a stranger is seen to be wrong": {joined(t, [][]byte{others}, nil, good, bad), one, false},
		"a forged certificate":           {joined(t, [][]byte{forged}, nil, good), one, false},
		"attributes of a stranger":       {joined(t, nil, of(mine, func(s *signerInfo) { s.Signed.Raw = []byte{0xa0, 0} }), good, other), one, false},
		"a stranger's hash":              {joined(t, nil, of(mine, func(s *signerInfo) { s.Digest.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5} }), good, other), one, false},
		"a stranger's kind of signature": {joined(t, nil, of(mine, func(s *signerInfo) { s.Encryption.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13} }), good, other), one, false},
		"a stranger's version":           {joined(t, nil, of(mine, func(s *signerInfo) { s.Version = 3 }), good, other), one, false},
	} {
		_, err := Verify(c.blob, id, c.trusted)
		if c.ok && err != nil || !c.ok && !corrupt.Is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSameSerial: of trusted certificates that are called alike, each may be the one.
func TestSameSerial(t *testing.T) {
	id, trusted := idOf(t, vector(t, "base/merged.sha512-12.tbs")), certificates(t, "TEST-cert.pem")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	twin := &x509.Certificate{SerialNumber: trusted[0].SerialNumber, RawSubject: trusted[0].RawSubject}
	der, err := x509.CreateCertificate(rand.Reader, twin, twin, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if twin, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if by, err := Verify(sign(t, "TEST", id), id, append([]*x509.Certificate{twin}, trusted...)); err != nil || !by.Equal(trusted[0]) {
		t.Errorf("after its twin: %v", err)
	}
	if _, err := Verify(sign(t, "TEST", id), id, []*x509.Certificate{twin}); !corrupt.Is(err) {
		t.Errorf("by its twin: %v", err)
	}
}
