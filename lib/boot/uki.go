package boot

import (
	"errors"
	"io"
	"unicode/utf8"

	"cfs/lib/corrupt"
)

// UKI is what a unified kernel image, or an add-on to one, says of itself. What it does
// not say is empty.
type UKI struct {
	Label   string // for a boot menu, from its .osrel
	Cmdline string // of the kernel, its .cmdline
	SortKey string // by which a boot loader sorts it, IMAGE_ID or ID of its .osrel
	Version string // IMAGE_VERSION or VERSION_ID
}

// ReadUKI reads a unified kernel image. The error is marked as corrupt if it is none;
// what can be read in spite of an error comes with it. An error of r comes alone.
func ReadUKI(r io.ReaderAt) (u UKI, err error) {
	headers, err := sections(r)
	if err != nil {
		return UKI{}, err
	}
	release, osrelErr := textSection(r, headers, ".osrel")
	if osrelErr != nil && !corrupt.Is(osrelErr) {
		return UKI{}, osrelErr
	}
	names := parseOSRelease(release)
	u.Label, u.SortKey, u.Version = names.label(), names.first("IMAGE_ID", "ID"), names.first("IMAGE_VERSION", "VERSION_ID")
	if release != "" && u.Label == "" {
		osrelErr = corrupt.Errorf(".osrel names no system")
	}
	u.Cmdline, err = textSection(r, headers, ".cmdline")
	if err != nil && !corrupt.Is(err) {
		return UKI{}, err
	}
	return u, errors.Join(osrelErr, err)
}

// textSection returns a section that is text, "" if there is none.
func textSection(r io.ReaderAt, headers []byte, name string) (string, error) {
	data, err := section(r, headers, name)
	if err == nil && !utf8.Valid(data) {
		err = corrupt.Errorf("section %s is not UTF-8", name)
	}
	if err != nil {
		return "", err
	}
	return string(data), nil
}
