package lookup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"cfs/lib/oci"
	"cfs/lib/repo"
)

// IsFile reports whether an operand that may be a file or a name in the repository at path
// is the file: it is if it begins with "./", "../" or "/"; else it is a digest, or a tag or a
// ref of an EROFS image if there is one of that name; else the file. No lock is waited for.
//
// If there is no repository, as where path is "", or one that may not be opened, the operand
// is the file if there is one. If there is nothing of that name at all, the answer is which
// of both it looks like.
func IsFile(path, operand string) (bool, error) {
	for _, start := range []string{"./", "../", "/"} {
		if strings.HasPrefix(operand, start) {
			return true, nil
		}
	}
	if named, err := isNamed(path, operand); named || err != nil {
		return false, err
	}
	if _, err := os.Lstat(operand); !errors.Is(err, fs.ErrNotExist) {
		return true, nil // also if the file system does not let us look: opening it tells why
	}
	return strings.Contains(operand, "/") || strings.HasSuffix(operand, ".erofs") || strings.HasSuffix(operand, ".dump"), nil
}

// isNamed reports whether an operand is a digest or a tag for the repository at path.
func isNamed(path, operand string) (bool, error) {
	r, err := repo.Peek(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up the tag %q: %w", operand, err)
	}
	defer r.Close()
	if isDigest(r, operand) {
		return true, nil
	}
	_, err = oci.Tag(r, operand)
	if isAbsent(err) {
		_, err = findRef(r, operand)
	}
	if isAbsent(err) {
		return false, nil
	}
	return err == nil, err
}
