package dumpfile

import (
	"encoding/hex"
	"math"

	"golang.org/x/sys/unix"

	"cfs/lib/tree"
	"cfs/lib/verity"
)

// maxPayload is the longest PAYLOAD of a regular file, in bytes: PATH_MAX
// less the NUL.
const maxPayload = 4095

// inode makes the inode that a line describes, which is no hard link line.
func (p *parser) inode(mode uint32) (*tree.Inode, error) {
	n := &tree.Inode{Mode: mode}
	size, err := p.readStat(n)
	if err != nil {
		return nil, err
	}
	switch n.Type() {
	case unix.S_IFREG:
		n.Size = size
		err = p.readRegular(n)
	case unix.S_IFLNK:
		err = p.readSymlink(n)
	default:
		_, err = p.decodeText(fieldPayload) // says nothing, yet is an escaped text
		if err == nil {
			err = p.refuseData()
		}
	}
	if err != nil {
		return nil, err
	}
	n.Xattrs, err = p.readXattrs()
	return n, err
}

// readStat reads the fields that all types have, and returns SIZE.
func (p *parser) readStat(n *tree.Inode) (size uint64, err error) {
	if size, err = p.number(fieldSize, math.MaxUint64); err != nil {
		return 0, err
	}
	nlink, err := p.number32(fieldNlink)
	if err != nil {
		return 0, err
	}
	if n.UID, err = p.number32(fieldUID); err != nil {
		return 0, err
	}
	if n.GID, err = p.number32(fieldGID); err != nil {
		return 0, err
	}
	rdev, err := p.number32(fieldRdev)
	if err != nil {
		return 0, err
	}
	if t := n.Type(); t == unix.S_IFCHR || t == unix.S_IFBLK {
		n.Rdev = rdev
	} else if rdev != 0 && !p.options.Compat {
		return 0, p.errorf(fieldRdev, rdevOnNondevice, "%d, and the mode is not that of a device", rdev)
	}
	if n.IsWhiteout() && nlink > 1 {
		return 0, p.errorf(fieldNlink, hardlinkWhiteout, "a whiteout with %d names", nlink)
	}
	n.Mtime, err = p.mtime()
	return size, err
}

// refuseData refuses CONTENT and DIGEST, for types that have neither.
func (p *parser) refuseData() error {
	if _, err := p.decode(fieldContent); err != nil {
		return err
	}
	if p.options.Compat {
		return nil
	}
	if p.isSet(fieldContent) {
		return p.errorf(fieldContent, contentNotAllowed, "only a regular file has content")
	}
	if p.isSet(fieldDigest) {
		return p.errorf(fieldDigest, digestNotAllowed, "only a regular file has a digest")
	}
	return nil
}

func (p *parser) readSymlink(n *tree.Inode) error {
	target, err := p.decodeText(fieldPayload)
	if err != nil {
		return err
	}
	if !p.isSet(fieldPayload) || len(target) == 0 {
		return p.errorf(fieldPayload, symlinkEmpty, "a symbolic link without a target")
	}
	if len(target) > p.limits.target {
		return p.errorf(fieldPayload, symlinkTooLong, "a target of %d bytes, more than %d", len(target), p.limits.target)
	}
	n.Target = string(target)
	return p.refuseData()
}

// readRegular finds out which of the kinds of regular files n is: empty,
// sparse, inline, or external with a digest or without.
func (p *parser) readRegular(n *tree.Inode) error {
	id, err := p.digest()
	if err != nil {
		return err
	}
	switch {
	case p.isSet(fieldContent):
		return p.readInline(n)
	case p.isSet(fieldPayload):
		err = p.readExternal(n, id)
	case p.isSet(fieldDigest):
		return p.errorf(fieldDigest, digestNotAllowed, "a digest, and no payload that it is of")
	}
	if err == nil && n.Size > p.limits.size {
		return p.errorf(fieldSize, fileTooBig, "%d bytes, more than %d", n.Size, p.limits.size)
	}
	return err
}

// digest reads DIGEST: 64 or 128 hex digits of either case.
func (p *parser) digest() (verity.ID, error) {
	if !p.isSet(fieldDigest) {
		return verity.ID{}, nil
	}
	text := p.fields[fieldDigest]
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		if len(text) != 2*a.Size() {
			continue
		}
		var sum [64]byte
		if _, err := hex.Decode(sum[:], text); err != nil {
			break
		}
		return a.MakeID(sum[:a.Size()]), nil
	}
	return verity.ID{}, p.errorf(fieldDigest, badDigest, "%s is not 64 or 128 hex digits", show(text))
}

func (p *parser) readInline(n *tree.Inode) error {
	content, err := p.decode(fieldContent)
	switch {
	case err != nil:
		return err
	case p.isSet(fieldPayload):
		return p.errorf(fieldContent, payloadAndContent, "content in addition to a payload")
	case p.isSet(fieldDigest):
		return p.errorf(fieldDigest, digestNotAllowed, "a digest in addition to content")
	case len(content) > p.limits.content:
		return p.errorf(fieldContent, contentTooBig, "%d bytes, more than %d", len(content), p.limits.content)
	case uint64(len(content)) != n.Size:
		return p.errorf(fieldContent, contentSizeMismatch, "%d bytes, and the size is %d", len(content), n.Size)
	}
	n.Inline = string(content)
	return nil
}

// readExternal reads PAYLOAD of a file whose DIGEST is id, zero for none.
func (p *parser) readExternal(n *tree.Inode, id verity.ID) error {
	payload, err := p.decodeText(fieldPayload)
	switch {
	case err != nil:
		return err
	case len(payload) == 0:
		return p.errorf(fieldPayload, badObjectPath, "an empty payload")
	case len(payload) > maxPayload:
		return p.errorf(fieldPayload, pathTooLong, "%d bytes, more than %d", len(payload), maxPayload)
	case p.options.Compat:
		readCompatPayload(n, id, payload)
		return nil
	}
	if !id.IsZero() && !p.options.MatchDigest {
		n.Object = id // whatever the payload says: as the reference
		return nil
	}
	object, ok := verity.ParseObjectPath(string(payload))
	switch {
	case !ok:
		return p.errorf(fieldPayload, badObjectPath, "%s does not end in an object path", show(payload))
	case id.IsZero():
		n.Payload = object.ObjectPath()
	case id != object:
		return p.errorf(fieldPayload, badObjectPath, "%s is not the object of the digest", show(payload))
	default:
		n.Object = id
	}
	return nil
}

// readCompatPayload keeps a payload as mkcomposefs does, which drops that of an
// empty file and takes every other text as it is.
func readCompatPayload(n *tree.Inode, id verity.ID, payload []byte) {
	if n.Size == 0 {
		return
	}
	n.Object = id
	if id.IsZero() || string(payload) != id.ObjectPath() {
		n.Payload = string(payload)
	}
}
