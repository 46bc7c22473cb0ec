package signed

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"cfs/lib/signature"
)

// ReadCertificates reads the certificates in files, PEM or DER. A file that is missing is not an
// image that is: the error does not wrap fs.ErrNotExist.
func ReadCertificates(paths ...string) (list []*x509.Certificate, err error) {
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, errors.New(err.Error())
		}
		some, err := signature.ParseCertificates(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, some...)
	}
	return list, nil
}
