package bootloader

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cfs/lib/boot"
	"cfs/lib/corrupt"
	"cfs/lib/esp"
	"cfs/lib/fd"
	"cfs/lib/verity"
)

// Where entries are below a boot directory.
const (
	entriesDir = "loader/entries"
	stagedDir  = "loader/entries.staged" // of bootc, which makes it entriesDir at shutdown
	imagesDir  = "EFI/Linux"
)

const (
	maxEntry = 1 << 20 // bytes of a BLS entry that is read
	maxDepth = 16      // of folders below EFI/Linux
)

// Entry is one that a boot directory has, whoever put it there.
type Entry struct {
	ID      string
	Counter string // of boot counting, "+3-1", or ""
	Kind    boot.Kind
	Path    string      // below the boot directory
	Images  []verity.ID // that its command line names, in order
	Files   []string    // that it needs, below the boot directory
	Over    bool        // it has options that hide the command line of a UKI

	sortKey, version string
}

// Scan is what a boot directory has.
type Scan struct {
	Entries  []Entry
	Broken   []error // entries that could not be understood, and may name any image
	Warnings []error // what is odd, and names none
}

// Names reports whether an entry names an image.
func (s *Scan) Names(id verity.ID) bool {
	return slices.ContainsFunc(s.Entries, func(e Entry) bool { return slices.Contains(e.Images, id) })
}

// find returns the entries with an ID, as vfat compares names.
func (s *Scan) find(id string) (found []Entry) {
	for _, e := range s.Entries {
		if esp.Fold(e.ID) == esp.Fold(id) && (path.Dir(e.Path) == entriesDir || path.Dir(e.Path) == imagesDir) {
			found = append(found, e)
		}
	}
	return found
}

// Read returns the entries of a boot directory, whose images have digests by an algorithm. An
// error is one of the machine: nothing is known then.
func Read(f *esp.Folder, a verity.Algorithm) (*Scan, error) {
	s := &scanner{folder: f, algorithm: a}
	for _, dir := range []string{entriesDir, stagedDir} {
		if err := s.entries(dir); err != nil {
			return nil, err
		}
	}
	if err := s.images(imagesDir, 0); err != nil {
		return nil, err
	}
	sortEntries(s.found.Entries)
	return &s.found, nil
}

type scanner struct {
	folder    *esp.Folder
	algorithm verity.Algorithm
	found     Scan
}

// entries reads the BLS entries in a folder.
func (s *scanner) entries(dir string) error {
	list, err := s.folder.List(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if strings.EqualFold(path.Ext(e.Name()), ".conf") {
			if err := s.entry(dir + "/" + e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry reads a BLS entry.
func (s *scanner) entry(name string) error {
	text, err := s.folder.Read(name, maxEntry)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if isOfMachine(err) {
		return err
	}
	var b boot.BLS
	if err == nil {
		b, err = boot.ParseBLS(text)
	}
	if err != nil {
		s.found.Broken = append(s.found.Broken, fmt.Errorf("%s: %w", name, err))
		return nil
	}
	e := newEntry(boot.KindBLS, name)
	e.sortKey, e.version = b.Value("sort-key"), b.Value("version")
	for _, file := range b.Paths() {
		if file = below(file); file != "" {
			e.Files = append(e.Files, file)
		}
	}
	e.Over = len(b.Images()) > 0 && b.Options() != ""
	cmdlines := []string{b.Options()}
	for _, image := range b.Images() { // with Secure Boot its own line counts, whatever the options
		u, err := s.uki(below(image))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		cmdlines = append(cmdlines, u.Cmdline)
	}
	s.add(e, cmdlines...)
	return nil
}

// below returns a path of an entry as one below the boot directory.
func below(name string) string { return strings.TrimLeft(path.Clean("/"+name), "/") }

// isOfMachine reports whether an error is none about what a file holds or is.
func isOfMachine(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok && !errors.Is(err, fd.ErrNotRegular) && !errors.Is(err, unix.ELOOP)
}

func (s *scanner) add(e Entry, cmdlines ...string) {
	for _, cmdline := range cmdlines {
		kargs, err := boot.Kargs(cmdline, s.algorithm)
		if err != nil {
			s.found.Warnings = append(s.found.Warnings, fmt.Errorf("%s: %w", e.Path, err))
		}
		for _, k := range kargs {
			if !slices.Contains(e.Images, k.ID) {
				e.Images = append(e.Images, k.ID)
			}
		}
	}
	s.found.Entries = append(s.found.Entries, e)
}

// images reads the unified kernel images in a folder.
func (s *scanner) images(dir string, depth int) error {
	list, err := s.folder.List(dir)
	if err != nil || depth > maxDepth {
		return err
	}
	for _, item := range list {
		name := dir + "/" + item.Name()
		if item.IsDir() {
			if err := s.images(name, depth+1); err != nil {
				return err
			}
			continue
		}
		if !strings.EqualFold(path.Ext(name), ".efi") || strings.HasSuffix(strings.ToLower(name), ".addon.efi") {
			continue
		}
		u, err := s.uki(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		e := newEntry(boot.KindUKI, name)
		e.Files, e.sortKey, e.version = []string{name}, u.SortKey, u.Version
		s.add(e, u.Cmdline)
	}
	return nil
}

// uki reads a unified kernel image. One that is none, and has no text about an image of
// ours, is warned of.
func (s *scanner) uki(name string) (boot.UKI, error) {
	file, err := s.folder.Open(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !isOfMachine(err) {
		s.found.Warnings = append(s.found.Warnings, err) // a loader does not start it either
		return boot.UKI{}, nil
	}
	if err != nil {
		return boot.UKI{}, err
	}
	defer file.Close()
	u, err := boot.ReadUKI(file)
	if !corrupt.Is(err) {
		return u, err
	}
	if u.Cmdline != "" {
		return u, nil
	}
	err = fmt.Errorf("%s: %w", name, err)
	holds, readErr := holdsText(file, "composefs")
	switch {
	case readErr != nil:
		return u, readErr
	case holds:
		s.found.Broken = append(s.found.Broken, err)
	default:
		s.found.Warnings = append(s.found.Warnings, err)
	}
	return u, nil
}

// holdsText reports whether a file has a text in it.
func holdsText(file *os.File, text string) (bool, error) {
	in := io.NewSectionReader(file, 0, 1<<62)
	window := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := in.Read(window[kept:])
		n += kept
		if bytes.Contains(window[:n], []byte(text)) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kept = copy(window, window[max(0, n-len(text)):n])
	}
}

var counted = regexp.MustCompile(`^(.*)(\+[0-9]+(?:-[0-9]+)?)$`)

// newEntry returns an entry, with the ID that its path says.
func newEntry(kind boot.Kind, name string) Entry {
	e := Entry{Kind: kind, Path: name, ID: strings.TrimSuffix(path.Base(name), path.Ext(name))}
	if m := counted.FindStringSubmatch(e.ID); m != nil {
		e.ID, e.Counter = m[1], m[2]
	}
	return e
}
