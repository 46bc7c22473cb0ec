package inspect

import (
	"strconv"

	"cfs/lib/compare"
	"cfs/lib/erofs"
)

// Side is one of the two that are compared.
type Side struct {
	compare.Tree
	image *erofs.Reader // nil for a dumpfile
}

// Diff calls report for each difference between a and b, as compare.Compare does. It returns
// whether there is none, and in a few words what explains all, "" if no one thing does. Images
// whose trees are equal differ if their bytes do.
func Diff(a, b Side, report func(compare.Difference) error) (equal bool, cause string, err error) {
	summary, err := compare.Compare(a.Tree, b.Tree, report)
	if err != nil {
		return false, "", err
	}
	if summary.Equal() && a.image != nil && b.image != nil {
		if offset, differ := a.image.Mismatch(b.image); differ {
			return false, "trees and formats equal, images differ from byte " + strconv.Itoa(offset) + " on", nil
		}
	}
	return summary.Equal(), summary.Cause(), nil
}
