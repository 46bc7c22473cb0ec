package bootable

import (
	"cfs/lib/boot"
	"cfs/lib/lookup"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// Karg returns the kernel argument that boots an image: the EROFS image that was found,
// whatever v is, or the boot image of variant v of a container image. It insists on fs-verity
// if the repository has it. The error wraps fs.ErrNotExist if there is no such image.
func Karg(r *repo.Repo, found lookup.Found, v variant.Variant) (boot.Karg, error) {
	id, format := found.ID, v.Format
	var err error
	if found.Image == nil {
		format, err = oci.EROFSFormat(r, id)
	} else {
		id, err = bootImage(found, v)
	}
	k := KargOf(format, id)
	k.Insecure = !r.Secure
	return k, err
}

// bootImage returns the boot image of a container image.
func bootImage(found lookup.Found, v variant.Variant) (verity.ID, error) {
	if err := found.CheckContainer(); err != nil {
		return verity.ID{}, err
	}
	id, ok := found.Image.Config.Images[v.Key()]
	if !ok {
		return id, missing.Errorf("%s has no boot image of format %d with the xattrs %s", found.Operand, v.Format, v.Xattrs)
	}
	return id, nil
}

// KargOf returns the kernel argument for an image of a format. Format 0 has none of its
// own: it is that of format 1.
func KargOf(f variant.Format, id verity.ID) boot.Karg {
	return boot.Karg{Format: max(f, variant.V1), ID: id}
}
