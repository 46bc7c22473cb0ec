package signature

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

// vectors is where blobs and keys of other programs are, with README.
const vectors = "../../../shared/vectors/sealing"

func vector(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(vectors + "/" + name)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("SKIPPED: no vectors of signatures: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func certificates(t testing.TB, name string) []*x509.Certificate {
	t.Helper()
	list, err := ParseCertificates(vector(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func signer(t testing.TB, name string) *Signer {
	t.Helper()
	key, err := ParseKey(vector(t, name+"-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(certificates(t, name+"-cert.pem")[0], key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// idOf returns the digest in what is signed.
func idOf(t testing.TB, tbs []byte) verity.ID {
	t.Helper()
	id, err := verity.ParseID(hex.EncodeToString(tbs[12:]))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestVectorsSigned: what is signed, and by RSA the signature, are the bytes of fsverity sign.
func TestVectorsSigned(t *testing.T) {
	s := signer(t, "TEST")
	list, err := filepath.Glob(vectors + "/b*/*.tbs")
	if err != nil || len(list) < 10 {
		t.Fatalf("%d vectors: %v", len(list), err)
	}
	for _, path := range list {
		name := strings.TrimSuffix(strings.TrimPrefix(path, vectors+"/"), ".tbs")
		tbs := vector(t, name+".tbs")
		id := idOf(t, tbs)
		if got := Bytes(id); !bytes.Equal(got, tbs) {
			t.Errorf("%s: %x, want %x", name, got, tbs)
		}
		if got, err := s.Sign(id); err != nil || !bytes.Equal(got, vector(t, name+".p7s")) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

// TestVectorsVerified: blobs are accepted and refused as the table of the vectors has it.
func TestVectorsVerified(t *testing.T) {
	id := idOf(t, vector(t, "base/merged.sha512-12.tbs"))
	names := map[string]string{"base/merged.sha512-12.p7s": "ok"}
	for line := range strings.Lines(string(vector(t, "README"))) {
		words := strings.Fields(line)
		if len(words) > 5 && strings.HasSuffix(words[0], ".p7s") && strings.Contains(words[0], "/") {
			names[words[0]] = words[5]
		}
	}
	if len(names) < 23 {
		t.Fatalf("%d blobs in the table", len(names))
	}
	for name, want := range names {
		trusted := certificates(t, "TEST-cert.pem")
		if strings.Contains(name, "ec-p256") {
			trusted = certificates(t, "TEST-ec-cert.pem")
		}
		cert, err := Verify(vector(t, name), id, trusted)
		switch {
		case want == "ok" && (err != nil || cert == nil):
			t.Errorf("%s: %v", name, err)
		case want == "no" && strings.Contains(name, "other-key") && !errors.Is(err, ErrStranger):
			t.Errorf("%s: %v, want a stranger", name, err)
		case want == "no" && !strings.Contains(name, "other-key") && !corrupt.Is(err):
			t.Errorf("%s: %v, want an error that is marked as corrupt", name, err)
		}
		stranger := strings.Contains(name, "other-key") || strings.Contains(name, "truncated") || strings.Contains(name, "pem") || strings.Contains(name, "empty")
		if NamesTrusted(vector(t, name), trusted) == stranger {
			t.Errorf("%s: names somebody who is trusted: %v", name, !stranger)
		}
		if _, err := Verify(vector(t, name), id, nil); err == nil {
			t.Errorf("%s: verified without a certificate", name)
		}
	}
}

// TestOwnSignatures: what a Signer makes holds for its certificate and digest alone.
func TestOwnSignatures(t *testing.T) {
	id, other := idOf(t, vector(t, "base/merged.sha512-12.tbs")), idOf(t, vector(t, "base/merged.sha256-12.tbs"))
	for _, name := range []string{"TEST", "TEST-ec", "TEST-leaf"} {
		blob, err := signer(t, name).Sign(id)
		if err != nil {
			t.Fatal(err)
		}
		own := certificates(t, name+"-cert.pem")
		cert, err := Verify(blob, id, append(certificates(t, "TEST-other-cert.der"), own...))
		if err != nil || !cert.Equal(own[0]) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Verify(blob, id, certificates(t, "TEST-other-cert.pem")); !errors.Is(err, ErrStranger) {
			t.Errorf("%s by another certificate: %v", name, err)
		}
		if _, err := Verify(blob, other, own); !corrupt.Is(err) {
			t.Errorf("%s of another digest: %v", name, err)
		}
	}
	// A certificate that a trusted one has issued is trusted if it is in the blob.
	blob, err := signer(t, "TEST-leaf").Sign(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(blob, id, certificates(t, "TEST-cert.pem")); !errors.Is(err, ErrStranger) {
		t.Errorf("issuer trusted, certificate not in the blob: %v", err)
	}
}

// TestEachByte: no byte of a blob can be changed, left out or added.
func TestEachByte(t *testing.T) {
	id, trusted := idOf(t, vector(t, "base/merged.sha512-12.tbs")), certificates(t, "TEST-cert.pem")
	good := vector(t, "base/merged.sha512-12.p7s")
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		for what, blob := range map[string][]byte{"changed": bad, "cut": good[:i], "without": append(bytes.Clone(good[:i]), good[i+1:]...)} {
			if _, err := Verify(blob, id, trusted); err == nil {
				t.Errorf("accepted with byte %d %s", i, what)
			}
		}
	}
}
