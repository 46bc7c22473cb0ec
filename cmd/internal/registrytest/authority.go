package registrytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// ProxiedHost is a name that nobody resolves but a proxy of a test. Certificates of
// servers have it.
const ProxiedHost = "registry.example.test"

// Authority signs the certificates of a test.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	Dir  string // with ca.crt, as --cert-dir takes it
}

// NewAuthority makes one that nobody knows yet.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{Dir: t.TempDir(), key: newKey(t)}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.cert = sign(t, template, template, &a.key.PublicKey, a.key)
	writePEM(t, filepath.Join(a.Dir, "ca.crt"), "CERTIFICATE", a.cert.Raw)
	return a
}

// Issue returns a certificate for one that is called by an IP address and names.
func (a *Authority) Issue(t testing.TB, names ...string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "party of a test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:    names,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	return sign(t, template, a.cert, &key.PublicKey, a.key), key
}

// Save writes a certificate to NAME.cert and its key to NAME.key.
func (a *Authority) Save(t testing.TB, name string, names ...string) {
	t.Helper()
	cert, key := a.Issue(t, names...)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, name+".cert", "CERTIFICATE", cert.Raw)
	writePEM(t, name+".key", "PRIVATE KEY", der)
}

// ServerConfig is what a docker-registry must know to serve with TLS, as 127.0.0.1 and
// by the names that only a proxy of a test resolves.
func (a *Authority) ServerConfig(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "server")
	a.Save(t, name, ProxiedHost)
	return fmt.Sprintf("  tls: {certificate: %s.cert, key: %s.key}", name, name)
}

// Client returns one that believes this authority alone.
func (a *Authority) Client() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func writePEM(t testing.TB, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
