package signature

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// TestParseKey: each form of a key is read, and an error never holds what is in the file.
func TestParseKey(t *testing.T) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(e)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(e)
	if err != nil {
		t.Fatal(err)
	}
	good := map[string][]byte{
		"PKCS #1": pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r)), "SEC 1": pemOf("EC PRIVATE KEY", sec1), "PKCS #8": pemOf("PRIVATE KEY", pkcs8),
		"behind something else": append(pemOf("EC PARAMETERS", []byte("x")), pemOf("EC PRIVATE KEY", sec1)...),
	}
	for name, file := range good {
		if _, err := ParseKey(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	secret := strings.Repeat("secret", 20)
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte(secret), "a certificate": pemOf("CERTIFICATE", []byte(secret)), "garbage": pemOf("PRIVATE KEY", []byte(secret)),
		"garbage in PKCS #1": pemOf("RSA PRIVATE KEY", []byte(secret)), "garbage in SEC 1": pemOf("EC PRIVATE KEY", []byte(secret)),
		"a passphrase":                 pemOf("ENCRYPTED PRIVATE KEY", []byte(secret)),
		"a passphrase in the old form": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: []byte(secret)}),
	} {
		if _, err := ParseKey(file); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNewSigner: keys that are too weak, of another kind, or not those of the certificate are
// refused.
func TestNewSigner(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSigner(&x509.Certificate{PublicKey: weak.Public()}, weak); err == nil || !strings.Contains(err.Error(), "1024 bits") {
		t.Error(err)
	}
	if _, err := NewSigner(&x509.Certificate{PublicKey: curve.Public()}, curve); err == nil || !strings.Contains(err.Error(), "P-384") {
		t.Error(err)
	}
	if _, err := NewSigner(&x509.Certificate{PublicKey: edwards.Public()}, edwards); err == nil || !strings.Contains(err.Error(), "RSA or P-256") {
		t.Error(err)
	}
	if _, err := NewSigner(certificates(t, "TEST-other-cert.pem")[0], signer(t, "TEST").key); err == nil || !strings.Contains(err.Error(), "does not belong to the key") {
		t.Error(err)
	}
}

// TestParseCertificates: a file may hold several certificates, in PEM, or one in DER.
func TestParseCertificates(t *testing.T) {
	both := append(vector(t, "TEST-cert.pem"), vector(t, "TEST-ec-cert.pem")...)
	if list := certificates(t, "TEST-cert.der"); len(list) != 1 || !list[0].Equal(certificates(t, "TEST-cert.pem")[0]) {
		t.Error("DER is read otherwise than PEM")
	}
	list, err := ParseCertificates(append([]byte("subject=x\n"), both...))
	if err != nil || len(list) != 2 {
		t.Errorf("%d certificates, %v", len(list), err)
	}
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte("x"), "a key": vector(t, "TEST-key.pem"), "garbage": pemOf("CERTIFICATE", []byte("x")), "garbage behind one": bytes.Join([][]byte{both, pemOf("CERTIFICATE", []byte("x"))}, nil),
	} {
		if list, err := ParseCertificates(file); err == nil {
			t.Errorf("%s: %d certificates", name, len(list))
		}
	}
}
