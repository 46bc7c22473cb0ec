package cmd

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cfs/cmd/cmdtest"
	"cfs/lib/signature"
	"cfs/lib/verity"
)

// signingKey is a key with its certificate, in memory and as files.
type signingKey struct {
	*signature.Signer
	der       []byte
	cert, key string
}

// newSigningKey makes one, RSA or P-256.
func newSigningKey(t *testing.T, name string, curve bool) signingKey {
	t.Helper()
	var signer crypto.Signer = try(rsa.GenerateKey(rand.Reader, 2048))
	if curve {
		signer = try(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der := try(x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer))
	k := signingKey{der: der, cert: t.TempDir() + "/cert.pem", key: t.TempDir() + "/key.pem"}
	k.Signer = try(signature.NewSigner(try(x509.ParseCertificate(der)), signer))
	for path, block := range map[string]*pem.Block{k.cert: {Type: "CERTIFICATE", Bytes: der}, k.key: {Type: "PRIVATE KEY", Bytes: try(x509.MarshalPKCS8PrivateKey(signer))}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// trust are the options that trust a key.
func (k signingKey) trust() string { return " --require-signature --trust-cert " + k.cert + " " }

// TestSecureSigned: what is mounted is what is signed, and the kernel takes our signatures.
func TestSecureSigned(t *testing.T) {
	s := newSecureRepo(t, verity.SHA512)
	ours, other := newSigningKey(t, "ours", false), newSigningKey(t, "other", true)
	must(t, s.repo, "cfs-link sign "+tagName+" --cert "+ours.cert+" --key "+ours.key)
	mounts := func(repo, options string) result {
		dir := t.TempDir()
		r := shell(t, repo, "cfs-mount"+options+tagName+" "+dir)
		if r.Status == 0 {
			must(t, "", "umount "+dir)
		}
		return r
	}
	for what, c := range map[string]struct {
		options string
		status  int
	}{
		"the certificate":      {ours.trust(), 0},
		"another certificate":  {other.trust(), 3},
		"both":                 {ours.trust() + "--trust-cert " + other.cert + " ", 0},
		"the config as well":   {" --require-signature=image --trust-cert " + ours.cert + " ", 0},
		"no boot image":        {ours.trust() + "--bootable ", 3},
		"no certificate there": {" --require-signature --trust-cert /none ", 1},
	} {
		if r := mounts(s.repo, c.options); r.Status != c.status {
			t.Errorf("mount with %s: exit status %d, want %d: %s", what, r.Status, c.status, r.Stderr)
		}
	}

	// The signature is taken away, and given to another image.
	refs := try(filepath.Glob(s.repo + "/streams/refs/oci-referrers/*"))
	if len(refs) != 1 {
		t.Fatalf("refs of artifacts: %q", refs)
	}
	must(t, "", "mv "+refs[0]+" "+s.repo+"/streams/refs/oci-referrers/sha256:"+strings.Repeat("0", 64))
	if r := mounts(s.repo, ours.trust()); r.Status != 3 {
		t.Errorf("mount without its signature: exit status %d: %s", r.Status, r.Stderr)
	}
	must(t, "", "mv "+s.repo+"/streams/refs/oci-referrers/* "+refs[0])
	if r := mounts(s.repo, ours.trust()); r.Status != 0 {
		t.Errorf("mount with the signature again: exit status %d: %s", r.Status, r.Stderr)
	}

	// An insecure repository enforces nothing.
	insecure := cmdtest.Scratch(t) + "/repo"
	must(t, insecure, strings.Replace(s.code, "--init", "--init --insecure", 1)+" && cfs-link sign "+tagName+" --cert "+ours.cert+" --key "+ours.key)
	if r := mounts(insecure, ours.trust()); r.Status != 1 || !strings.Contains(r.Stderr, "fs-verity") {
		t.Errorf("mount from an insecure repository: exit status %d: %s", r.Status, r.Stderr)
	}
	s.kernelSignatures(t, ours, other)
}

// kernelSignatures: the kernel takes our signature with the file that it is of, if it has the
// certificate, and only then.
func (s *secureRepo) kernelSignatures(t *testing.T, ours, other signingKey) {
	ring, err := keyring(".fs-verity")
	if err != nil {
		t.Logf("SKIPPED, and so no signature is given to the kernel: %v", err)
		return
	}
	id := try(verity.ParseID(s.digest(t, "image")))
	blob, stranger := try(ours.Sign(id)), try(other.Sign(id))
	if err := s.enableSigned(t, id, blob); err != unix.ENOKEY {
		t.Errorf("no certificate: %v", err)
	}
	if _, err := unix.AddKey("asymmetric", "", ours.der, ring); err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(blob)
	flipped[len(flipped)-1] ^= 1
	for what, c := range map[string]struct {
		blob []byte
		want error
	}{"ours": {blob, nil}, "by another": {stranger, unix.ENOKEY}, "flipped": {flipped, unix.EKEYREJECTED}} {
		if err := s.enableSigned(t, id, c.blob); err != c.want {
			t.Errorf("signature %s: %v, want %v", what, err, c.want)
		}
	}
}

// enableSigned has the kernel enable fs-verity, with a signature, for a copy of an EROFS image.
func (s *secureRepo) enableSigned(t *testing.T, id verity.ID, blob []byte) error {
	t.Helper()
	path := filepath.Dir(s.repo) + "/signed"
	must(t, "", "cp "+s.repo+"/objects/"+id.ObjectPath()+" "+path)
	defer os.Remove(path)
	f := try(os.Open(path))
	defer f.Close()
	arg := unix.FsverityEnableArg{Version: 1, Hash_algorithm: 2, Block_size: 4096, Sig_size: uint32(len(blob)), Sig_ptr: uint64(uintptr(unsafe.Pointer(&blob[0])))}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.FS_IOC_ENABLE_VERITY, uintptr(unsafe.Pointer(&arg)))
	runtime.KeepAlive(blob)
	if errno != 0 {
		return errno
	}
	if got := try(verity.Measure(f)); got != id {
		t.Errorf("the kernel measures %s, want %s", got, id)
	}
	return nil
}

// keyring finds a keyring of the kernel by its name (proc_keys(5)).
func keyring(name string) (serial int, err error) {
	text, err := os.ReadFile("/proc/keys")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 8 && words[8] == name+":" {
			n, err := strconv.ParseInt(words[0], 16, 64)
			return int(n), err
		}
	}
	return 0, errors.New("no keyring " + name)
}

// try returns a value, or panics.
func try[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
