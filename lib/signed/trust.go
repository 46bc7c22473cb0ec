package signed

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"cfs/lib/signature"
)

// ReadFile reads a file that an option names: a certificate, a key, a signature. That it is
// missing is not that an image or a signature in the repository is, so the error does not wrap
// fs.ErrNotExist.
func ReadFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		err = errors.New(err.Error())
	}
	return text, err
}

// ReadCertificates reads the certificates in files, PEM or DER. Errors are those of ReadFile.
func ReadCertificates(paths ...string) (list []*x509.Certificate, err error) {
	for _, path := range paths {
		text, err := ReadFile(path)
		if err != nil {
			return nil, err
		}
		some, err := signature.ParseCertificates(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, some...)
	}
	return list, nil
}
