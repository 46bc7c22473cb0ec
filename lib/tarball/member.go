package tarball

import (
	"strings"

	"cfs/lib/corrupt"
	"cfs/lib/tolerance"
	"cfs/lib/tree"
)

// Member is one member of a tar, with what extension headers say about it applied.
type Member struct {
	Type         byte // flag: '0' and NUL and '7' regular, '5' directory, …
	Name, Link   string
	Mode         uint64
	UID, GID     uint32
	Mtime        tree.Time
	Major, Minor uint64
	Device       bool   // the header has device numbers
	Size         uint64 // of the body in bytes: 0 for types that have none, whatever the header says
	Xattrs       []tree.Xattr
	Sparse       bool
	Offset       int64         // of the header in the tar
	Read         tolerance.Set // in which ways it is read otherwise than by the reference

	before1970 bool
	names      tolerance.Set // what of Read is about the name,
	links      tolerance.Set // and about the target
}

// IsRegular reports whether the member is a regular file with a body.
func (m *Member) IsRegular() bool { return m.Type == '0' || m.Type == 0 || m.Type == '7' }

// IsExternal reports whether the content is kept as an object, not in the stream.
func (m *Member) IsExternal() bool { return m.IsRegular() && m.Size > tree.InlineMax }

// Padding returns the number of bytes from the body's end to the next block.
func (m *Member) Padding() int64 { return padding(m.Size) }

func padding(size uint64) int64 { return int64(-size & (BlockSize - 1)) }

// isLink reports whether the target of the member means something.
func (m *Member) isLink() bool { return m.Type == '1' || m.Type == '2' }

// hasNoBody reports whether members of this type never have one: links, devices,
// directories, fifos.
func (m *Member) hasNoBody() bool { return '1' <= m.Type && m.Type <= '6' }

// member reads the header of a member and applies the extensions: PAX before GNU
// before the header.
func (r *Reader) member(b *block, size uint64) (*Member, error) {
	r.last = Member{Type: b.typeFlag(), Size: size, Read: r.read}
	m := &r.last
	m.Name, m.names = r.name(b)
	m.Link, m.links = r.link(b)
	if err := m.readNumbers(b); err != nil {
		return nil, err
	}
	err := m.applyPAX(r.pax)
	r.forgetExtensions()
	switch {
	case err != nil:
		return nil, err
	case m.Sparse:
		return nil, ErrSparse
	case m.Size > maxSize:
		return nil, corrupt.Errorf("size of %d bytes", m.Size)
	case m.Name == "":
		return nil, corrupt.Errorf("member without a name")
	}
	m.settle()
	if m.hasNoBody() && m.Size > 0 {
		return m, r.noBody(m)
	}
	return m, nil
}

// settle decides what the header and its extensions decide only together.
func (m *Member) settle() {
	m.Read |= m.names
	if m.isLink() {
		m.Read |= m.links
	}
	if m.Type == 0 && strings.HasSuffix(m.Name, "/") {
		m.Type = '5' // V7 has no type for directories
		m.Read |= tolerance.SetOf(tolerance.SlashedName)
	}
}

func (m *Member) readNumbers(b *block) error {
	var n numbers
	m.Mode = n.number("mode", b.mode())
	m.UID = uint32(n.number("uid", b.uid()))
	m.GID = uint32(n.number("gid", b.gid()))
	m.Mtime.Sec = int64(n.number("mtime", b.mtime()))
	m.Read |= n.read
	if n.err != nil {
		return n.err
	}
	if m.Device = b.format() != v7; m.Device {
		return m.readDevice(b)
	}
	return nil
}

// readDevice reads the device numbers. Of a member that is no device anything may stand
// there.
func (m *Member) readDevice(b *block) error {
	var n numbers
	m.Major = n.number("devmajor", b.devMajor())
	m.Minor = n.number("devminor", b.devMinor())
	isDevice := m.Type == '3' || m.Type == '4'
	switch {
	case n.err != nil && isDevice:
		return n.err
	case b.isOddVersion():
		if isDevice {
			m.Read |= tolerance.SetOf(tolerance.UstarVersion)
		}
		return nil
	case n.err != nil:
		m.Read |= tolerance.SetOf(tolerance.DeviceNumbers)
	case isBase256(b.devMajor()) || isBase256(b.devMinor()):
		m.Read |= tolerance.SetOf(tolerance.BinaryDevice)
	}
	if isDevice {
		m.Read |= n.read
	}
	return nil
}
