package mount

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"cfs/lib/uptime"
)

// ID identifies a mount among all that there are and were on a machine.
type ID struct {
	Boot      uptime.Boot
	Namespace uint64 // inode of the mount namespace
	Mount     uint64 // unique within the boot since Linux 6.8; before, it may be used again
}

// firstUnique is the least unique number of a mount, larger than any of the older kind
// (MNT_UNIQUE_ID_OFFSET of the kernel).
const firstUnique = 1 << 31

// String returns the ID as a word without slashes: "BOOT.NAMESPACE.MOUNT".
func (id ID) String() string { return fmt.Sprintf("%s.%d.%d", id.Boot, id.Namespace, id.Mount) }

// ParseID reads what String returns, and nothing else.
func ParseID(s string) (id ID, ok bool) {
	f := strings.Split(s, ".")
	if len(f) != 3 {
		return ID{}, false
	}
	id.Boot, ok = uptime.ParseBoot(f[0])
	id.Namespace, _ = strconv.ParseUint(f[1], 10, 64)
	id.Mount, _ = strconv.ParseUint(f[2], 10, 64)
	return id, ok && id.String() == s
}

// idOf returns the ID of a mount, attached or not, in the namespace of the caller.
func idOf(mnt *os.File) (id ID, err error) {
	if id.Boot, err = uptime.ThisBoot(); err != nil {
		return id, err
	}
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &ns); err != nil {
		return id, fmt.Errorf("/proc/self/ns/mnt: %w", err)
	}
	id.Namespace = ns.Ino
	var st unix.Statx_t
	err = unix.Statx(fd(mnt), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID_UNIQUE|unix.STATX_MNT_ID, &st)
	runtime.KeepAlive(mnt)
	if err == nil && st.Mask&(unix.STATX_MNT_ID_UNIQUE|unix.STATX_MNT_ID) == 0 {
		err = unix.EOPNOTSUPP
	}
	if err != nil {
		return id, fmt.Errorf("ID of the mount: %w", err)
	}
	id.Mount = st.Mnt_id
	return id, nil
}

// State says whether a mount is there.
type State int

const (
	Unknown State = iota
	There
	Ended
)

// State returns whether a mount is there still. It is unknown if that is in a mount
// namespace that the caller does not see, and where the kernel has no unique numbers of
// mounts; and never ended, as long as it can be there.
func (m *Mounts) State(id ID) State {
	boot, err := uptime.ThisBoot()
	if err != nil {
		return Unknown
	}
	if id.Boot != boot {
		return Ended
	}
	ns, visible := m.namespaces[id.Namespace]
	if !visible || id.Mount < firstUnique {
		return Unknown
	}
	switch err := statmount(id.Mount, ns); {
	case err == nil:
		return There
	case err == unix.ENOENT && (ns == 0 || listable(ns)): // it says ENOENT for lack of permission too
		return Ended
	}
	return Unknown
}

// mountRequest is struct mnt_id_req of linux/mount.h.
type mountRequest struct {
	size, _   uint32
	mount     uint64
	param     uint64
	namespace uint64 // 0 is that of the caller, the only one before Linux 6.11
}

const (
	sizeOwn = 24 // MNT_ID_REQ_SIZE_VER0: without the namespace
	sizeAny = 32 // MNT_ID_REQ_SIZE_VER1

	allMounts   = 1<<64 - 1  // LSMT_ROOT
	superBlock  = 1          // STATMOUNT_SB_BASIC
	statSize    = 512        // of struct statmount
	getMountsID = 0x8008b705 // NS_GET_MNTNS_ID of linux/nsfs.h, since Linux 6.11
)

func request(mount, param, namespace uint64) *mountRequest {
	r := &mountRequest{size: sizeOwn, mount: mount, param: param, namespace: namespace}
	if namespace != 0 {
		r.size = sizeAny
	}
	return r
}

// statmount returns nil if a mount is in a namespace.
func statmount(mount, namespace uint64) error {
	var buffer [statSize / 8]uint64
	_, _, errno := unix.Syscall6(unix.SYS_STATMOUNT, uintptr(unsafe.Pointer(request(mount, superBlock, namespace))),
		uintptr(unsafe.Pointer(&buffer)), statSize, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// listable reports whether the caller may see the mounts of a namespace.
func listable(namespace uint64) bool {
	var first uint64
	n, _, errno := unix.Syscall6(unix.SYS_LISTMOUNT, uintptr(unsafe.Pointer(request(allMounts, 0, namespace))),
		uintptr(unsafe.Pointer(&first)), 1, 0, 0, 0)
	return errno == 0 && n > 0
}

// namespaceID returns the number that listmount has for the mount namespace of a file below
// /proc, 0 for that of the caller, and whether it can be known.
func namespaceID(path string) (id uint64, known bool) {
	var own, other unix.Stat_t
	if unix.Stat("/proc/self/ns/mnt", &own) != nil || unix.Stat(path, &other) != nil {
		return 0, false
	}
	if own.Dev == other.Dev && own.Ino == other.Ino {
		return 0, true
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd(f)), getMountsID, uintptr(unsafe.Pointer(&id)))
	return id, errno == 0 && id != 0
}
