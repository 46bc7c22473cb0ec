package bootloader

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"cfs/lib/boot"
	"cfs/lib/bootable"
	"cfs/lib/corrupt"
	"cfs/lib/lookup"
	"cfs/lib/missing"
	"cfs/lib/oci"
	"cfs/lib/repo"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// ErrSealed is why arguments cannot be given to what starts a unified kernel image: its
// command line is part of it.
var ErrSealed = errors.New("starts a unified kernel image, whose command line is its own")

// ErrNoBootImage is why a container image cannot be installed before its boot image is made.
var ErrNoBootImage = errors.New("has no boot image")

// source is a container image of the repository that is to be installed.
type source struct {
	repo    *repo.Repo
	operand string
	image   *oci.Image
	named   verity.ID // boot image that the operand names, or zero
	root    *tree.Inode
}

// openSource opens the image that an operand names. The error wraps fs.ErrNotExist if there
// is none, or it has no boot image.
func openSource(r *repo.Repo, operand string) (*source, error) {
	found, err := lookup.Find(r, operand)
	if err != nil {
		return nil, err
	}
	s := &source{repo: r, operand: operand, image: found.Image, named: found.ID}
	if s.image == nil {
		if s.image, err = lookup.Container(r, operand); err != nil {
			return nil, err
		}
	} else if err := found.CheckContainer(); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(s.image.Config.ImageKeys(), variant.IsBootKey) {
		return nil, missing.Errorf("%s %w", operand, ErrNoBootImage)
	}
	s.root, err = oci.Tree(r, s.image.Keys, s.image.Stream, variant.AllowlistOnly, nil)
	return s, err
}

func (s *source) open(n *tree.Inode) (io.ReadCloser, error) { return oci.OpenContent(s.repo, n) }

// choose returns the entry with a path, or the first if that is empty.
func (s *source) choose(path string) (e boot.Entry, others []string, err error) {
	all, err := boot.Entries(s.root, s.open)
	if err != nil {
		return e, nil, fmt.Errorf("%s: %w", s.operand, err)
	}
	found := false
	for _, c := range all {
		switch {
		case c.Kind == boot.KindAddon || c.Kind == boot.KindGlobalAddon:
		case !found && (path == "" || c.Path == path):
			e, found = c, true
		default:
			others = append(others, c.Path)
		}
	}
	switch {
	case found:
		return e, others, nil
	case path == "":
		return e, nil, fmt.Errorf("%s has no boot entries", s.operand)
	}
	return e, nil, missing.Errorf("%s has no boot entry %q, but %q", s.operand, path, others)
}

// karg returns the argument for the boot image that is named, or the one in the
// repository's default format.
func (s *source) karg(insecure bool) (boot.Karg, error) {
	v := variant.Variant{Boot: true, Format: s.repo.Formats[0]}
	id, ok := s.image.Config.Images[v.Key()]
	for _, key := range s.image.Config.ImageKeys() {
		parsed, isKey := variant.ParseKey(key)
		if isKey && parsed.Boot && (s.image.Config.Images[key] == s.named || !ok && s.named.IsZero()) {
			v, id, ok = parsed, s.image.Config.Images[key], true
		}
	}
	if !ok {
		return boot.Karg{}, missing.Errorf("%s %w", s.operand, ErrNoBootImage)
	}
	k := bootable.KargOf(v.Format, id)
	k.Insecure = insecure
	return k, s.check(id)
}

// check reads a boot image: what is installed must be whole.
func (s *source) check(id verity.ID) error {
	_, err := oci.OpenEROFS(s.repo, id)
	return err
}

// sealed returns the argument of a unified kernel image, which must name a boot image of the
// container image. The error is marked as corrupt if it does not.
func (s *source) sealed(path string, file *tree.Inode) (boot.Karg, error) {
	lister := bootable.Lister{Repo: s.repo}
	d, err := lister.Describe(s.image.Config, boot.Entry{Kind: boot.KindUKI, Path: path, File: file})
	switch {
	case err != nil:
		return boot.Karg{}, fmt.Errorf("%s: %q: %w", s.operand, path, err)
	case d.Digest == "" && d.Problem != "":
		return boot.Karg{}, corrupt.Errorf("%s: %q: %s", s.operand, path, d.Problem)
	case d.BootImage == "":
		return boot.Karg{}, corrupt.Errorf("%s: %q names no boot image of it, but %s; to see why: %s", s.operand, path, d.Digest, d.Explain)
	}
	k, err := boot.FindKarg(d.Cmdline, s.repo.Algorithm)
	if err != nil {
		return k, err
	}
	if err := s.soleKarg(d.Cmdline, k); err != nil {
		return k, fmt.Errorf("%s: %q: %w", s.operand, path, err)
	}
	return k, s.check(k.ID)
}

// soleKarg refuses a command line that names a second image: which one boots depends on
// what is there.
func (s *source) soleKarg(cmdline string, k boot.Karg) error {
	all, err := boot.Kargs(cmdline, s.repo.Algorithm)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.ID != k.ID {
			return corrupt.Errorf("names two images, %s and %s", k.ID, other.ID)
		}
	}
	return nil
}

// tag returns how records name the image: the operand if it is a tag.
func (s *source) tag() string {
	if ok, err := oci.HasTag(s.repo, s.operand); err == nil && ok {
		return s.operand
	}
	return ""
}

var (
	validID     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$`)
	validKernel = regexp.MustCompile(`^[A-Za-z0-9._+~-]+$`)
)

// CheckID returns why a text cannot be the ID of an entry, nil if it can.
func CheckID(id string) error {
	if !validID.MatchString(id) || strings.HasSuffix(id, ".") {
		return fmt.Errorf("%.60q cannot be the ID of an entry: want at most 200 letters, digits and ._-, with no dot or dash first and no dot last", id)
	}
	return nil
}

// maxPrefix is how long the name of a system may be in an ID.
const maxPrefix = 183

// idOf returns the ID of an entry for an image of a system.
func idOf(system string, id verity.ID) string {
	if len(system) > maxPrefix || CheckID(system) != nil {
		system = "composefs"
	}
	return system + "-" + id.String()[:16]
}
