package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// ErrStranger means that a blob is well formed, and that nobody who is trusted is named in it as
// its signer: it says nothing, neither good nor bad.
var ErrStranger = errors.New("no trusted certificate is that of the signer")

// Verify checks that a blob is a signature of a digest by one of the trusted certificates, or by
// a certificate in the blob that one of them has issued, and returns the certificate of
// the signer. Dates are not looked at, as in the kernel. Of several signers one is enough, and
// strangers are passed over. The error is ErrStranger, or marked as corrupt: the blob is
// malformed, or a trusted signer is named whose signature does not hold.
func Verify(blob []byte, id verity.ID, trusted []*x509.Certificate) (*x509.Certificate, error) {
	m, err := parse(blob)
	if err != nil {
		return nil, err
	}
	known, err := m.known(trusted)
	if err != nil {
		return nil, err
	}
	err = ErrStranger
	for _, s := range m.Signers {
		cert := s.find(m.Version, known)
		if cert == nil {
			continue
		}
		if err = s.verify(Bytes(id), cert); err == nil {
			return cert, nil
		}
	}
	return nil, err
}

// NamesTrusted reports whether a blob names as a signer somebody who is trusted, though it be
// malformed otherwise, so that Verify refuses it.
func NamesTrusted(blob []byte, trusted []*x509.Certificate) bool {
	if len(blob) > MaxSize {
		return false
	}
	decoded, _, err := decode(blob)
	if err != nil {
		return false
	}
	m := decoded.Content
	known, err := m.known(trusted)
	if err != nil {
		known = trusted
	}
	return slices.ContainsFunc(m.Signers, func(s signerInfo) bool { return s.find(m.Version, known) != nil })
}

// known returns the trusted certificates, and those in the message that one of them has issued
// and that may sign.
func (m signedData) known(trusted []*x509.Certificate) ([]*x509.Certificate, error) {
	known := slices.Clone(trusted)
	if len(m.Certificates.Raw) == 0 {
		return known, nil
	}
	var field asn1.RawValue
	if _, err := asn1.Unmarshal(m.Certificates.Raw, &field); err != nil {
		return nil, corrupt.Errorf("certificates in the signature: %w", err)
	}
	list, err := x509.ParseCertificates(field.Bytes)
	if err != nil {
		return nil, corrupt.Errorf("certificates in the signature: %w", err)
	}
	for _, cert := range list {
		issued := func(ca *x509.Certificate) bool { return cert.CheckSignatureFrom(ca) == nil }
		if maySign(cert) && slices.ContainsFunc(trusted, issued) {
			known = append(known, cert)
		}
	}
	return known, nil
}

// maySign reports whether a certificate is, by the usages that it has, for signatures of code.
func maySign(cert *x509.Certificate) bool {
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return false
	}
	extended := len(cert.ExtKeyUsage) + len(cert.UnknownExtKeyUsage)
	return extended == 0 || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageCodeSigning)
}

// find returns the certificate of a signer, nil if it is not known: by issuer and serial number in
// version 1, by the identifier of the key in version 3 (RFC 5652, 5.3), of both the message and
// the signer.
func (s signerInfo) find(message int, known []*x509.Certificate) *x509.Certificate {
	i := -1
	switch {
	case message == 1 && s.Version == 1:
		var name issuerAndSerial
		rest, err := asn1.Unmarshal(s.ID.FullBytes, &name)
		if err != nil || len(rest) > 0 {
			return nil
		}
		i = slices.IndexFunc(known, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawIssuer, name.Issuer.FullBytes) && c.SerialNumber.Cmp(name.Serial) == 0
		})
	case message == 3 && s.Version == 3 && s.ID.Class == asn1.ClassContextSpecific && s.ID.Tag == 0 && len(s.ID.Bytes) > 0:
		i = slices.IndexFunc(known, func(c *x509.Certificate) bool { return bytes.Equal(c.SubjectKeyId, s.ID.Bytes) })
	}
	if i < 0 {
		return nil
	}
	return known[i]
}

// verify checks the signature of a signer over data.
func (s signerInfo) verify(data []byte, cert *x509.Certificate) error {
	if !maySign(cert) {
		return corrupt.Errorf("the certificate of %q is not for signatures, by its key usage", cert.Subject)
	}
	if len(s.Signed.Raw) > 0 {
		return corrupt.Errorf("the signature of %q has signed attributes", cert.Subject)
	}
	if s.Version != 1 {
		// Linux finds it, but OpenSSL's smime and other readers of PKCS#7 do not.
		return corrupt.Errorf("the signature of %q names the key by its identifier, not the certificate by issuer and serial number", cert.Subject)
	}
	alg, ok := algorithmOf(s.Digest)
	if !ok {
		return corrupt.Errorf("the signature of %q is over a digest of the type %s, not SHA-256 or SHA-512", cert.Subject, s.Digest.Algorithm)
	}
	sum := alg.sum(data)
	holds := false
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if !s.Encryption.Algorithm.Equal(oidRSA) || !plain(s.Encryption) {
			return corrupt.Errorf("the signature of %q is of the type %s, not rsaEncryption", cert.Subject, s.Encryption.Algorithm)
		}
		holds = rsa.VerifyPKCS1v15(key, crypto.Hash(alg.hash), sum, s.EncryptedDigest) == nil
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() || !s.Encryption.Algorithm.Equal(alg.ecdsa) || !plain(s.Encryption) {
			return corrupt.Errorf("the signature of %q is of the type %s, not ECDSA by P-256 over the same digest", cert.Subject, s.Encryption.Algorithm)
		}
		holds = ecdsa.VerifyASN1(key, sum, s.EncryptedDigest)
	}
	if !holds {
		return corrupt.Errorf("the signature of %q does not hold", cert.Subject)
	}
	return nil
}
