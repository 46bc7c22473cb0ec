package dumpfile

import (
	"fmt"

	"cfs/lib/corrupt"
)

// Error says what is wrong with a dumpfile, and where.
type Error struct {
	Line   int    // counted from 1
	Field  string // PATH, SIZE, MODE, NLINK, UID, GID, RDEV, MTIME, PAYLOAD, CONTENT, DIGEST or xattr
	Class  string // what kind of mistake it is, such as "bad-number"
	Reason string // the same for people, with the text that is wrong
}

// Error gives the line, the field, the class and the reason, on one line.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d: %s: %s: %s", e.Line, e.Field, e.Class, e.Reason)
}

// The classes. The programs that read our messages know them by these words.
const (
	emptyInput          = "empty-input"
	noRoot              = "no-root"
	rootNotDir          = "root-not-dir"
	duplicateRoot       = "duplicate-root"
	missingField        = "missing-field"
	badEscape           = "bad-escape"
	nulByte             = "nul-byte"
	badPath             = "bad-path"
	nameTooLong         = "name-too-long"
	pathTooLong         = "path-too-long"
	noParent            = "no-parent"
	parentNotDir        = "parent-not-dir"
	duplicatePath       = "duplicate-path"
	badNumber           = "bad-number"
	numberRange         = "number-range"
	badMode             = "bad-mode"
	badMtime            = "bad-mtime"
	rdevOnNondevice     = "rdev-on-nondevice"
	symlinkEmpty        = "symlink-empty"
	symlinkTooLong      = "symlink-too-long"
	contentSizeMismatch = "content-size-mismatch"
	contentTooBig       = "content-too-big"
	contentNotAllowed   = "content-not-allowed"
	digestNotAllowed    = "digest-not-allowed"
	badDigest           = "bad-digest"
	badObjectPath       = "bad-object-path"
	payloadAndContent   = "payload-and-content"
	hardlinkDir         = "hardlink-dir"
	hardlinkNoTarget    = "hardlink-no-target"
	hardlinkMissing     = "hardlink-missing"
	hardlinkSelf        = "hardlink-self"
	hardlinkWhiteout    = "hardlink-whiteout"
	xattrNoEquals       = "xattr-no-equals"
	xattrEmptyKey       = "xattr-empty-key"
	xattrKeyTooLong     = "xattr-key-too-long"
	xattrValueTooLong   = "xattr-value-too-long"
	xattrsTooBig        = "xattrs-too-big"
	xattrDuplicate      = "xattr-duplicate"
	fileTooBig          = "file-too-big"
)

// errorf returns an Error about a field of the present line, marked as being
// about corrupt data.
func (p *parser) errorf(f field, class, format string, args ...any) error {
	return corrupt.Errorf("%w", &Error{p.line, fieldNames[f], class, fmt.Sprintf(format, args...)})
}

// maxShown is how much of a wrong text a message shows, in bytes.
const maxShown = 64

// show returns the beginning of a text, for a message.
func show(text []byte) string {
	if len(text) > maxShown {
		return fmt.Sprintf("%q...", text[:maxShown])
	}
	return fmt.Sprintf("%q", text)
}
