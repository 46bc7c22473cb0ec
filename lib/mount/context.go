package mount

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// context is a file system that is being configured: fsopen(2), fsconfig(2),
// fsmount(2). Its errors have what the kernel logged.
type context struct {
	fs string
	fd int
}

func open(fs string) (*context, error) {
	fd, err := unix.Fsopen(fs, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsopen %s: %w", fs, err)
	}
	return &context{fs, fd}, nil
}

func (c *context) close() { unix.Close(c.fd) }

func (c *context) setFlag(key string) error {
	return c.explain(key, unix.FsconfigSetFlag(c.fd, key))
}

func (c *context) setString(key, value string) error {
	return c.explain(key+"="+value, unix.FsconfigSetString(c.fd, key, value))
}

// setFile gives a file by its descriptor, setPath by its path below /proc.
func (c *context) setFile(key string, f *os.File) error {
	return c.explain(key+"="+f.Name(), unix.FsconfigSetFd(c.fd, key, fd(f)))
}

func (c *context) setPath(key string, f *os.File) error {
	return c.explain(key+"="+f.Name(), unix.FsconfigSetString(c.fd, key, procPath(f)))
}

// mount makes the file system and a mount of it that is attached nowhere:
// closing the file unmounts it.
func (c *context) mount(attr int) (*os.File, error) {
	if err := c.explain("create", unix.FsconfigCreate(c.fd)); err != nil {
		return nil, err
	}
	mnt, err := unix.Fsmount(c.fd, unix.FSMOUNT_CLOEXEC, attr)
	if err != nil {
		return nil, c.explain("fsmount", err)
	}
	return os.NewFile(uintptr(mnt), c.fs), nil
}

// explain says which step failed, and adds the kernel's messages of that step:
// those of earlier ones have been taken.
func (c *context) explain(step string, err error) error {
	log := c.log()
	if err == nil {
		return nil
	}
	if log == "" {
		log = "dmesg may say why" // much goes there alone
	}
	return fmt.Errorf("%s: %s: %w (%s)", c.fs, step, err, log)
}

// log takes the messages that the kernel has kept for the context, at most the
// last eight, and returns them in one line. Each read(2) gives one, which begins
// with a letter for its level (e, w or i) and a space.
func (c *context) log() string {
	var list []string
	buf := make([]byte, 4096)
	for range 8 {
		n, err := unix.Read(c.fd, buf)
		if err != nil || n == 0 {
			break // ENODATA: no more of them
		}
		text := string(buf[:n])
		if len(text) > 2 && text[1] == ' ' {
			text = text[2:]
		}
		list = append(list, strings.Join(strings.Fields(text), " "))
	}
	return strings.Join(list, "; ")
}
