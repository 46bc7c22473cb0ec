package erofs

import "encoding/binary"

// The numbers below are those of the kernel's fs/erofs/erofs_fs.h and, for the
// first 1024 bytes, of composefs. All integers are little-endian, all sizes and
// offsets in bytes.

var le = binary.LittleEndian

const (
	blockBits = 12
	blockSize = 1 << blockBits
	slotSize  = 32 // a nid is the offset of an inode in slots

	headerSize  = 32   // of header
	superOffset = 1024 // EROFS_SUPER_OFFSET
	superSize   = 128  // of superblock
	inodesStart = superOffset + superSize

	// MaxSize bounds an image, in bytes, so that offsets in slots and in 4-byte units fit
	// 32 bits. It is ours, some 16 million files; composefs-rs reads up to 1 GiB.
	MaxSize = 1 << 32
)

const (
	headerMagic   = 0xd078629a // LCFS_EROFS_MAGIC
	headerVersion = 1          // LCFS_EROFS_VERSION
	flagHasACL    = 1 << 0     // LCFS_EROFS_FLAGS_HAS_ACL
)

// header is what composefs puts at the start of an image.
type header struct {
	Magic            uint32    // 0
	Version          uint32    // 4: of this header
	Flags            uint32    // 8
	ComposefsVersion uint32    // 12
	_                [4]uint32 // 16
}

const (
	superMagic = 0xe0f5e1e2 // EROFS_SUPER_MAGIC_V1

	compatWritten = 0x6 // EROFS_FEATURE_COMPAT_MTIME, _XATTR_FILTER
	compatKnown   = 0x7 // and _SB_CHKSUM, which is not checked
	incompatKnown = 0x4 // EROFS_FEATURE_INCOMPAT_CHUNKED_FILE, never written
)

// superblock is struct erofs_super_block, at superOffset. Fields that are not
// named in Write are zero.
type superblock struct {
	Magic            uint32   // 0
	Checksum         uint32   // 4
	FeatureCompat    uint32   // 8
	BlockBits        uint8    // 12
	ExtSlots         uint8    // 13
	RootNid          uint16   // 14
	Inos             uint64   // 16
	BuildTime        int64    // 24
	BuildTimeNsec    uint32   // 32
	Blocks           uint32   // 36
	MetaBlkaddr      uint32   // 40
	XattrBlkaddr     uint32   // 44
	UUID             [16]byte // 48
	VolumeName       [16]byte // 64
	FeatureIncompat  uint32   // 80
	ComprAlgs        uint16   // 84
	ExtraDevices     uint16   // 86
	DevtSlotoff      uint16   // 88
	DirBlockBits     uint8    // 90
	XattrPrefixCount uint8    // 91
	XattrPrefixStart uint32   // 92
	PackedNid        uint64   // 96
	FilterReserved   uint8    // 104
	_                [23]byte // 105
}

const (
	compactSize  = 32 // of struct erofs_inode_compact
	extendedSize = 64 // of struct erofs_inode_extended

	formatExtended = 1 << 0 // bit of i_format; above it the data layout
	layoutShift    = 1
	layoutMask     = 7

	flatPlain  = 0 // EROFS_INODE_FLAT_PLAIN: content in blocks
	flatInline = 2 // EROFS_INODE_FLAT_INLINE: its tail after the inode
	chunkBased = 4 // EROFS_INODE_CHUNK_BASED: here a hole, for overlayfs to fill

	chunkEntrySize = 4  // of a block address after a chunk-based inode
	maxChunkFormat = 31 // EROFS_CHUNK_FORMAT_BLKBITS_MASK: log2 of blocks
	maxChunks      = 1024
)

// inodeHeader is either struct of an inode. Where the two differ, both offsets
// are given, those of the compact one first; "-" is for what that one lacks.
type inodeHeader struct {
	layout   uint8
	extended bool

	icount uint16 // 2: xattr units, see xattrsSize
	mode   uint16 // 4
	size   uint64 // 8, of 4 bytes; 8
	u      uint32 // 16: block address, device number or chunk format
	ino    uint32 // 20
	uid    uint32 // 24, of 2 bytes; 24
	gid    uint32 // 26, of 2 bytes; 28
	sec    int64  // -; 32: i_mtime
	nsec   uint32 // -; 40: i_mtime_nsec
	links  uint32 // 6, of 2 bytes; 44
}

// appendTo appends the inode's bytes. The caller sees to it that the values fit.
func (h *inodeHeader) appendTo(b []byte) []byte {
	format := uint16(h.layout) << layoutShift
	if !h.extended {
		b = le.AppendUint16(b, format)
		b = le.AppendUint16(b, h.icount)
		b = le.AppendUint16(b, h.mode)
		b = le.AppendUint16(b, uint16(h.links))
		b = le.AppendUint32(b, uint32(h.size))
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, h.u)
		b = le.AppendUint32(b, h.ino)
		b = le.AppendUint16(b, uint16(h.uid))
		b = le.AppendUint16(b, uint16(h.gid))
		return le.AppendUint32(b, 0)
	}
	b = le.AppendUint16(b, format|formatExtended)
	b = le.AppendUint16(b, h.icount)
	b = le.AppendUint16(b, h.mode)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint64(b, h.size)
	b = le.AppendUint32(b, h.u)
	b = le.AppendUint32(b, h.ino)
	b = le.AppendUint32(b, h.uid)
	b = le.AppendUint32(b, h.gid)
	b = le.AppendUint64(b, uint64(h.sec))
	b = le.AppendUint32(b, h.nsec)
	b = le.AppendUint32(b, h.links)
	return append(b, make([]byte, 16)...)
}

// parseInodeHeader reads a compact or an extended inode from b, which holds as
// many bytes as the kind that the caller found out.
func parseInodeHeader(b []byte) inodeHeader {
	h := inodeHeader{
		layout:   b[0] >> layoutShift & layoutMask,
		extended: b[0]&formatExtended != 0,
		icount:   le.Uint16(b[2:]),
		mode:     le.Uint16(b[4:]),
		u:        le.Uint32(b[16:]),
		ino:      le.Uint32(b[20:]),
	}
	if !h.extended {
		h.links = uint32(le.Uint16(b[6:]))
		h.size = uint64(le.Uint32(b[8:]))
		h.uid = uint32(le.Uint16(b[24:]))
		h.gid = uint32(le.Uint16(b[26:]))
		return h
	}
	h.size = le.Uint64(b[8:])
	h.uid = le.Uint32(b[24:])
	h.gid = le.Uint32(b[28:])
	h.sec = int64(le.Uint64(b[32:]))
	h.nsec = le.Uint32(b[40:])
	h.links = le.Uint32(b[44:])
	return h
}

const (
	xattrBlockSize = 12 // of struct erofs_xattr_ibody_header
	xattrEntrySize = 4  // of struct erofs_xattr_entry
	xattrRefSize   = 4  // of a reference to a shared xattr
	xattrUnit      = 4  // entries are aligned to it, references count in it

	xattrFilterSeed = 0x25bbe08f // EROFS_XATTR_FILTER_SEED
	maxXattrShared  = 255        // h_shared_count is one byte
)

// metacopySize is the size of struct ovl_metacopy (fs/overlayfs/overlayfs.h)
// before its digest: u8 version, 0, u8 length of all, u8 flags, 0, u8 algorithm
// of fs-verity.
const metacopySize = 4

// xattrsSize returns the size of an inode's xattr block, from i_xattr_icount.
func xattrsSize(icount uint16) uint64 {
	if icount == 0 {
		return 0
	}
	return xattrBlockSize + xattrUnit*(uint64(icount)-1)
}

// direntSize is the size of struct erofs_dirent: u64 nid, u16 nameoff, u8 file
// type, u8 reserved.
const direntSize = 12

// maxName is the length of the longest name: EROFS_NAME_LEN.
const maxName = 255

// fileTypes gives the file type of a dirent (EROFS_FT_*, fs/fs_types.h) for the
// type bits of a mode, shifted by modeShift. 0 is no type.
var fileTypes = [16]uint8{
	0o10: 1, // regular
	0o04: 2, // directory
	0o02: 3, // character device
	0o06: 4, // block device
	0o01: 5, // fifo
	0o14: 6, // socket
	0o12: 7, // symbolic link
}

const modeShift = 12
