package verity

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/fd"
)

// ErrUnsupported means that the file system of a file has no fs-verity.
var ErrUnsupported = errors.New("the file system has no fs-verity")

// ErrNotEnabled means that the file system could protect a file by fs-verity,
// but that this file is not protected.
var ErrNotEnabled = errors.New("fs-verity is not enabled on the file")

// enableArg is struct fsverity_enable_arg of include/uapi/linux/fsverity.h.
type enableArg struct {
	version, alg, blockSize, saltSize uint32
	saltPtr                           uint64
	sigSize, reserved1                uint32
	sigPtr                            uint64
	reserved2                         [11]uint64
}

// digestArg is struct fsverity_digest with room for the longest digest.
type digestArg struct {
	alg, size uint16
	digest    [maxSize]byte
}

// Enable protects f, which is open for reading only and has no writer anywhere,
// by the kernel's fs-verity. A file that is protected already is left alone:
// Measure tells by what. It returns ErrUnsupported where the file system cannot,
// and an error that wraps unix.ETXTBSY while somebody has f open for writing.
func Enable(f *os.File, a Algorithm) error {
	arg := enableArg{version: 1, alg: uint32(a), blockSize: blockSize}
	for {
		switch err := ioctl(f, unix.FS_IOC_ENABLE_VERITY, unsafe.Pointer(&arg)); err {
		case nil, unix.EEXIST:
			return nil
		case unix.EINTR:
		case unix.ENOTTY, unix.EOPNOTSUPP:
			return ErrUnsupported
		default:
			return fmt.Errorf("enable fs-verity: %w", err)
		}
	}
}

// Measure returns the digest by which the kernel protects f. It returns
// ErrNotEnabled or ErrUnsupported where there is none.
func Measure(f *os.File) (ID, error) {
	arg := digestArg{size: maxSize}
	switch err := ioctl(f, unix.FS_IOC_MEASURE_VERITY, unsafe.Pointer(&arg)); err {
	case nil:
	case unix.ENODATA:
		return ID{}, ErrNotEnabled
	case unix.ENOTTY, unix.EOPNOTSUPP:
		return ID{}, ErrUnsupported
	default:
		return ID{}, fmt.Errorf("measure fs-verity: %w", err)
	}
	a := Algorithm(arg.alg)
	if a != SHA256 && a != SHA512 || int(arg.size) != a.Size() {
		return ID{}, corrupt.Errorf("fs-verity algorithm %d with a digest of %d bytes is not one of composefs", arg.alg, arg.size)
	}
	return a.MakeID(arg.digest[:arg.size]), nil
}

// Check has the kernel measure f. The error is marked as corrupt if f is not protected by fs-verity, or has
// another digest than want; what else keeps the kernel from measuring it says nothing about f.
func Check(f *os.File, want ID) error {
	got, err := Measure(f)
	switch {
	case err == ErrNotEnabled:
		return corrupt.Errorf("%w", ErrNotEnabled)
	case err != nil:
		return err
	case got != want:
		return corrupt.Errorf("the kernel measures %s", got)
	}
	return nil
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	return fd.Use(f, func(fd int) error {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
			return errno
		}
		return nil
	})
}
