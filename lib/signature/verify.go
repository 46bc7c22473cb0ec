package signature

import (
	"bytes"
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
var ErrStranger = errors.New("the signer has no trusted certificate")

// Verify checks that a blob is a signature of a digest by one of the trusted certificates, or by
// a certificate in the blob that one of them has issued, and returns the certificate of
// the signer. Dates are not looked at, as in the kernel. Of several signers one is enough, and
// strangers are passed over, if what can be verified of them holds. The error is ErrStranger, or
// marked as corrupt: the blob is malformed, or a signature in it does not hold.
func Verify(blob []byte, id verity.ID, trusted []*x509.Certificate) (by *x509.Certificate, err error) {
	m, err := parse(blob)
	if err != nil {
		return nil, err
	}
	in, err := m.certificates()
	if err != nil {
		return nil, err
	}
	known := append(slices.Clone(trusted), issued(in, trusted)...)
	if !m.names(known) {
		return nil, ErrStranger
	}
	if err := checkIssuers(in, trusted); err != nil {
		return nil, err
	}
	for _, s := range m.Signers {
		cert, err := s.verify(m.Version, Bytes(id), known, in)
		if err != nil {
			return nil, err
		}
		if by == nil {
			by = cert
		}
	}
	return by, nil
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
	in, err := m.certificates()
	if err != nil {
		return m.names(trusted)
	}
	return m.names(append(slices.Clone(trusted), issued(in, trusted)...))
}

// names reports whether a signer is known.
func (m signedData) names(known []*x509.Certificate) bool {
	return slices.ContainsFunc(m.Signers, func(s signerInfo) bool { return len(s.find(m.Version, known)) > 0 })
}

// certificates returns those in the message.
func (m signedData) certificates() ([]*x509.Certificate, error) {
	if len(m.Certificates.Raw) == 0 {
		return nil, nil
	}
	var field asn1.RawValue
	if _, err := asn1.Unmarshal(m.Certificates.Raw, &field); err != nil {
		return nil, corrupt.Errorf("certificates in the signature: %w", err)
	}
	list, err := x509.ParseCertificates(field.Bytes)
	if err != nil {
		return nil, corrupt.Errorf("certificates in the signature: %w", err)
	}
	return list, nil
}

// issued returns the certificates that a trusted one has issued and that may sign.
func issued(list, trusted []*x509.Certificate) (some []*x509.Certificate) {
	for _, cert := range list {
		by := func(ca *x509.Certificate) bool { return cert.CheckSignatureFrom(ca) == nil }
		if maySign(cert) && slices.ContainsFunc(trusted, by) {
			some = append(some, cert)
		}
	}
	return some
}

// checkIssuers refuses a certificate in a message that is not signed by its issuer, if that is at hand. Linux
// refuses such a message whoever signed it.
func checkIssuers(in, trusted []*x509.Certificate) error {
	for _, cert := range in {
		var issuers []*x509.Certificate
		for _, ca := range slices.Concat(in, trusted) {
			if bytes.Equal(ca.RawSubject, cert.RawIssuer) {
				issuers = append(issuers, ca)
			}
		}
		signed := func(ca *x509.Certificate) bool {
			return ca.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
		}
		if len(issuers) > 0 && !slices.ContainsFunc(issuers, signed) {
			return corrupt.Errorf("the certificate of %q in the signature is not signed by its issuer", cert.Subject)
		}
	}
	return nil
}

// maySign reports whether a certificate is, by the usages that it has, for signatures of code.
func maySign(cert *x509.Certificate) bool {
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return false
	}
	extended := len(cert.ExtKeyUsage) + len(cert.UnknownExtKeyUsage)
	return extended == 0 || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageCodeSigning)
}

// find returns the certificates that may be that of a signer: by issuer and serial number in
// version 1, by the identifier of the key in version 3 (RFC 5652, 5.3), of both the message and
// the signer.
func (s signerInfo) find(message int, list []*x509.Certificate) (found []*x509.Certificate) {
	is := func(*x509.Certificate) bool { return false }
	switch {
	case message == 1 && s.Version == 1:
		var name issuerAndSerial
		rest, err := asn1.Unmarshal(s.ID.FullBytes, &name)
		if err != nil || len(rest) > 0 {
			return nil
		}
		is = func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawIssuer, name.Issuer.FullBytes) && c.SerialNumber.Cmp(name.Serial) == 0
		}
	case message == 3 && s.Version == 3 && s.ID.Class == asn1.ClassContextSpecific && s.ID.Tag == 0 && len(s.ID.Bytes) > 0:
		is = func(c *x509.Certificate) bool { return bytes.Equal(c.SubjectKeyId, s.ID.Bytes) }
	}
	for _, cert := range list {
		if is(cert) {
			found = append(found, cert)
		}
	}
	return found
}

// verify checks a signer, of a message that names somebody who is known, and returns the
// certificate by which it is known, nil for a stranger. As in Linux, a signer of another form spoils the
// message, and a stranger's signature that does not hold by a certificate in the message.
func (s signerInfo) verify(message int, data []byte, known, in []*x509.Certificate) (*x509.Certificate, error) {
	alg, err := s.form(message)
	if err != nil {
		return nil, err
	}
	for _, cert := range s.find(message, in) {
		if !s.holds(alg, data, cert) {
			return nil, corrupt.Errorf("the signature of %q is invalid by the certificate included in it", cert.Subject)
		}
	}
	mine := s.find(message, known)
	for _, cert := range mine {
		if !maySign(cert) {
			return nil, corrupt.Errorf("the certificate of %q must not be used for signatures, by its key usage", cert.Subject)
		}
		if s.holds(alg, data, cert) {
			return cert, nil
		}
	}
	if len(mine) > 0 {
		return nil, corrupt.Errorf("the signature of %q is invalid", mine[0].Subject)
	}
	return nil, nil
}

// form checks all of a signer but the signature, and returns what that is over.
func (s signerInfo) form(message int) (alg digestAlgorithm, err error) {
	switch alg, ok := algorithmOf(s.Digest); {
	case len(s.Signed.Raw) > 0:
		return alg, corrupt.Errorf("the signature has signed attributes")
	case s.Version == 3 && message == 3:
		// Linux finds it, but OpenSSL's smime and other readers of PKCS#7 do not.
		return alg, corrupt.Errorf("the signature names the key by its identifier, not the certificate by issuer and serial number")
	case s.Version != 1 || message != 1:
		return alg, corrupt.Errorf("the signature has version %d, with a signer of version %d: want 1", message, s.Version)
	case !ok:
		return alg, corrupt.Errorf("the signature is over a digest of type %s, not SHA-256 or SHA-512", s.Digest.Algorithm)
	case !s.Encryption.Algorithm.Equal(oidRSA) && !s.Encryption.Algorithm.Equal(alg.ecdsa) || !plain(s.Encryption):
		return alg, corrupt.Errorf("the signature is of the type %s, neither rsaEncryption nor ECDSA over the same digest", s.Encryption.Algorithm)
	default:
		return alg, nil
	}
}

// holds reports whether a signature over data is by the key of a certificate: RSA, or P-256.
func (s signerInfo) holds(alg digestAlgorithm, data []byte, cert *x509.Certificate) bool {
	sum := alg.sum(data)
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return s.Encryption.Algorithm.Equal(oidRSA) && rsa.VerifyPKCS1v15(key, alg.hash, sum, s.EncryptedDigest) == nil
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256() && s.Encryption.Algorithm.Equal(alg.ecdsa) && ecdsa.VerifyASN1(key, sum, s.EncryptedDigest)
	}
	return false
}
