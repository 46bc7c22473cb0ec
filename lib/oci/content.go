package oci

import (
	"io"
	"strings"

	"cfs/lib/repo"
	"cfs/lib/tree"
)

// OpenContent opens the content of a regular file of a container's tree, inline or an
// object. Where the repository is not protected by fs-verity, the object is read once
// more first: what is made of the content must be made of what its digest says.
func OpenContent(r *repo.Repo, n *tree.Inode) (io.ReadCloser, error) {
	if n.Object.IsZero() {
		return io.NopCloser(strings.NewReader(n.Inline)), nil
	}
	if !r.Secure {
		if _, err := r.Objects.Verify(n.Object); err != nil {
			return nil, err
		}
	}
	return r.Objects.Open(n.Object)
}
