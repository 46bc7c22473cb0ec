package bootloader

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cfs/lib/esp"
)

// unusedKernels returns the folders of kernels that none of some entries names. If there are
// entries that could not be read, which may name any, it is none, and an error.
func (t *Target) unusedKernels(left []Entry, broken []error) (dirs []string, err error) {
	if len(broken) > 0 {
		return nil, fmt.Errorf("all kernel directories are kept, as an entry could not be read: %v", errors.Join(broken...)) // not what is asked for is damaged
	}
	list, err := t.Folder.List(".")
	for _, e := range list {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), esp.KernelFolder) {
			continue
		}
		prefix := esp.Fold(e.Name()) + "/"
		used := func(e Entry) bool {
			return slices.ContainsFunc(e.Files, func(f string) bool { return strings.HasPrefix(esp.Fold(f), prefix) })
		}
		if !slices.ContainsFunc(left, used) {
			dirs = append(dirs, e.Name())
		}
	}
	slices.Sort(dirs)
	return dirs, err
}

func (t *Target) removeKernels(dirs []string) error {
	for _, dir := range dirs {
		if err := t.Folder.RemoveKernels(dir); err != nil {
			return err
		}
	}
	return nil
}
