package boot

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"cfs/lib/corrupt"
	"cfs/lib/tree"
)

// Kind is what sort of thing an entry is.
type Kind string

const (
	KindBLS         Kind = "bls"          // a Type #1 entry of the Boot Loader Specification
	KindUKI         Kind = "uki"          // a Type #2 one: a unified kernel image
	KindAddon       Kind = "addon"        // to a unified kernel image
	KindGlobalAddon Kind = "global-addon" // to all of them
	KindKernel      Kind = "kernel"       // a vmlinuz
)

// Where entries are.
const (
	loaderEntries = "/boot/loader/entries"
	loaderAddons  = "/boot/loader/addons"
	efiImages     = "/boot/EFI/Linux"
	modules       = "/usr/lib/modules" // in it a directory for each kernel
)

// Entry is something in a file system that can be booted.
type Entry struct {
	Kind      Kind
	Path      string      // from the root, with a leading slash
	File      *tree.Inode // at Path
	Version   string      // of the kernel, for what is below /usr/lib/modules
	Loader    BLS         // of KindBLS
	Initramfs *tree.Inode // of KindKernel, nil if there is none
}

// Entries lists what can be booted in the order in which the reference prefers it: BLS
// entries, then unified kernel images with their add-ons, then kernels. An entry that
// no loader can load, or that leads to nothing, is an error.
func Entries(root *tree.Inode, content tree.Content) ([]Entry, error) {
	var f finder
	err := f.loaderEntries(root, content)
	for _, place := range []struct {
		dir   string
		addon Kind
	}{{efiImages, KindAddon}, {loaderAddons, KindGlobalAddon}} {
		if err == nil {
			err = f.images(root, place.dir, place.addon)
		}
	}
	if err == nil {
		err = f.moduleImages(root)
	}
	if err == nil {
		err = f.kernels(root)
	}
	return f.found, err
}

// finder gathers entries.
type finder struct{ found []Entry }

func (f *finder) loaderEntries(root *tree.Inode, content tree.Content) error {
	dir, err := dirAt(root, loaderEntries)
	if dir == nil || err != nil {
		return err
	}
	for _, e := range dir.Entries() {
		path := loaderEntries + "/" + e.Name
		if !strings.HasSuffix(e.Name, ".conf") {
			continue
		}
		if !e.Inode.IsRegular() {
			return fmt.Errorf("%q is not a regular file", path)
		}
		entry, err := readBLS(root, content, e.Inode)
		if err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		f.found = append(f.found, Entry{Kind: KindBLS, Path: path, File: e.Inode, Loader: entry})
	}
	return nil
}

// readBLS reads a BLS entry, whose files must be there.
func readBLS(root *tree.Inode, content tree.Content, file *tree.Inode) (BLS, error) {
	if file.Size == 0 {
		return BLS{}, nil
	}
	in, err := content(file)
	if err != nil {
		return BLS{}, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxText+1))
	if err != nil {
		return BLS{}, err
	}
	if len(text) > maxText {
		return BLS{}, corrupt.Errorf("boot loader entry of more than %d bytes", maxText)
	}
	entry, err := ParseBLS(text)
	if err != nil {
		return BLS{}, err
	}
	for _, path := range entry.Files() {
		if err := checkFile(root, path); err != nil {
			return BLS{}, fmt.Errorf("%q: %w", path, err)
		}
	}
	return entry, nil
}

// images finds unified kernel images and add-ons below a directory, which need not be
// there.
func (f *finder) images(root *tree.Inode, path string, addon Kind) error {
	dir, err := dirAt(root, path)
	if dir == nil || err != nil {
		return err
	}
	return f.below(dir, path, "", addon)
}

// below finds them at any depth.
func (f *finder) below(dir *tree.Inode, path, version string, addon Kind) error {
	for _, e := range dir.Entries() {
		path := path + "/" + e.Name
		kind := KindUKI
		switch {
		case e.Inode.IsDir():
			if err := f.below(e.Inode, path, version, addon); err != nil {
				return err
			}
			continue
		case !strings.HasSuffix(e.Name, ".efi"):
			continue
		case !e.Inode.IsRegular():
			return fmt.Errorf("%q is not a regular file", path)
		case strings.HasSuffix(e.Name, ".addon.efi"):
			kind = addon
		}
		f.found = append(f.found, Entry{Kind: kind, Path: path, File: e.Inode, Version: version})
	}
	return nil
}

func (f *finder) moduleImages(root *tree.Inode) error {
	return eachKernel(root, func(version string, dir *tree.Inode) error {
		return f.below(dir, modules+"/"+version, version, KindAddon)
	})
}

func (f *finder) kernels(root *tree.Inode) error {
	return eachKernel(root, func(version string, dir *tree.Inode) error {
		kernel := regular(dir, "vmlinuz")
		if kernel == nil {
			return nil
		}
		if !utf8.ValidString(version) {
			return corrupt.Errorf("%q: the name is not UTF-8", modules+"/"+version)
		}
		f.found = append(f.found, Entry{
			Kind: KindKernel, Path: modules + "/" + version + "/vmlinuz", File: kernel,
			Version: version, Initramfs: regular(dir, "initramfs.img"),
		})
		return nil
	})
}

// eachKernel calls do for each directory below /usr/lib/modules.
func eachKernel(root *tree.Inode, do func(version string, dir *tree.Inode) error) error {
	dir, err := dirAt(root, modules)
	if dir == nil || err != nil {
		return err
	}
	for _, e := range dir.Entries() {
		if e.Inode.IsDir() {
			if err := do(e.Name, e.Inode); err != nil {
				return err
			}
		}
	}
	return nil
}
