package signature

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// ParseCertificates reads the certificates of a PEM file, of which there is at least one, or of
// one in DER. Other PEM blocks are passed over.
func ParseCertificates(file []byte) (list []*x509.Certificate, err error) {
	if block, _ := pem.Decode(file); block == nil {
		cert, err := x509.ParseCertificate(file)
		if err != nil {
			return nil, errors.New("no certificate: want PEM or DER")
		}
		return []*x509.Certificate{cert}, nil
	}
	for rest := file; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(list)+1, err)
		}
		list = append(list, cert)
	}
	if len(list) == 0 {
		return nil, errors.New("no certificate in the PEM file")
	}
	return list, nil
}

// ParseKey reads the private key of a PEM file: PKCS #8, PKCS #1 or SEC 1, without a passphrase.
// Errors say nothing of what the file holds.
func ParseKey(file []byte) (crypto.Signer, error) {
	for rest := file; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("no private key in PEM form: want PKCS #8, PKCS #1 or SEC 1")
		}
		switch block.Type {
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			return signerOf(key, err)
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errEncrypted
			}
			key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			return signerOf(key, err)
		case "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errEncrypted
			}
			key, err := x509.ParseECPrivateKey(block.Bytes)
			return signerOf(key, err)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errEncrypted
		}
	}
}

var errEncrypted = errors.New("the key needs a passphrase: sign with another program, and store the signature with --signature")

func signerOf(key any, err error) (crypto.Signer, error) {
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("the private key cannot be parsed, or its type cannot sign")
	}
	return signer, nil
}
