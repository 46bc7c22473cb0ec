package serve

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"cfs/lib/fd"
	"cfs/lib/missing"
	"cfs/lib/mount"
)

// maxRead is the size in bytes of the largest read of the kernel: 256 pages of 4 KiB, more than which it allows only if
// it is told so (/proc/sys/fs/fuse/max_pages_limit).
const maxRead = 1 << 20

// device is where requests come from.
const device = "/dev/fuse"

// Mount is a mount whose requests this process answers.
type Mount struct {
	ID mount.ID

	dir    string // absolute
	direct bool   // without fusermount3
	ended  chan struct{}
}

// Options say how a file system is mounted.
type Options struct {
	mount.Options
	mount.FUSE

	// Objects are the open folders for an overlay mount over what is served, which is then metadata alone. Without
	// them what is served is mounted.
	Objects []*os.File

	// Direct mounts by system calls, which needs CAP_SYS_ADMIN in the user namespace; otherwise fusermount3 mounts.
	Direct bool
}

// Start mounts a file system on a directory, and serves it until it is unmounted.
func Start(c Config, dir string, o Options) (*Mount, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c.Metadata = o.Objects != nil
	m := &Mount{dir: dir, direct: o.Direct, ended: make(chan struct{})}
	if o.Direct {
		err = m.mountDirectly(c, o)
	} else {
		err = m.mountByHelper(c, o)
	}
	if err != nil {
		return nil, explain(err)
	}
	return m, nil
}

// explain says what is to be installed or allowed.
func explain(err error) error {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return missing.Errorf("fusermount3 is not installed (package fuse3): %w; without FUSE, cfs-mkerofs tar reads an image", err)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		if _, failed := os.Stat(device); failed != nil {
			return fmt.Errorf("%w: a container needs the option --device %s; without FUSE, cfs-mkerofs tar reads an image", failed, device)
		}
	}
	return err
}

func (c Config) options(o Options) *fuse.MountOptions {
	return &fuse.MountOptions{
		Options:                  []string{"ro", "nosuid", "nodev", "default_permissions"},
		AllowOther:               o.AllowOther,
		FsName:                   mount.Source(o.Name),
		Name:                     mount.Type,
		MaxWrite:                 maxRead,
		MaxBackground:            64,
		EnableSymlinkCaching:     true,
		ExplicitDataCacheControl: true,
		EnableAcl:                c.Image.MayHaveACLs(),
		DisableSplice:            true,
		Logger:                   log.New(logger(c.Log), "", 0),
	}
}

// logger is for what the library of the protocol has to say.
type logger func(text string)

func (l logger) Write(p []byte) (int, error) {
	l(string(p[:max(0, len(p)-1)]))
	return len(p), nil
}

// mountDirectly mounts by system calls.
func (m *Mount) mountDirectly(c Config, o Options) error {
	dev, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer dev.Close()
	o.FUSE.MaxRead = maxRead
	mnt, err := mount.NewFUSE(dev, o.Options, o.FUSE)
	if err != nil {
		return err
	}
	defer mnt.Close()
	var number int
	err = fd.Use(dev, func(n int) error {
		number, err = unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
		return err
	})
	if err != nil {
		return err
	}
	server, err := fuse.NewServer(newFilesystem(c), fmt.Sprintf("/dev/fd/%d", number), c.options(o))
	if err != nil {
		return fmt.Errorf("FUSE: %w", err)
	}
	m.serve(server)
	o.Options.Lease = m.noting(o.Options.Lease)
	return mount.AttachFUSE(mnt, o.Objects, m.dir, o.Options)
}

// noting notes the ID of the mount that gets a lease.
func (m *Mount) noting(lease func(mount.ID) func()) func(mount.ID) func() {
	return func(id mount.ID) (drop func()) {
		m.ID = id
		if lease == nil {
			return func() {}
		}
		return lease(id)
	}
}

// mountByHelper has fusermount3 mount, which says on stderr what is wrong.
func (m *Mount) mountByHelper(c Config, o Options) error {
	if _, err := exec.LookPath("fusermount3"); err != nil {
		return err
	}
	server, err := fuse.NewServer(newFilesystem(c), m.dir, c.options(o))
	if err != nil && strings.HasPrefix(err.Error(), "fusermount exited") {
		return fmt.Errorf("fusermount3 has not mounted %s, and has said why", m.dir)
	}
	if err != nil {
		return fmt.Errorf("mount %s by fusermount3: %w", m.dir, err)
	}
	m.serve(server)
	if m.ID, err = mount.At(m.dir); err != nil {
		return errors.Join(err, m.unmountByHelper())
	}
	m.noting(o.Options.Lease)(m.ID)
	return nil
}

func (m *Mount) serve(server *fuse.Server) {
	go func() {
		server.Serve()
		close(m.ended)
	}()
}

// Ended returns a channel that is closed when the file system was unmounted, by whomever.
func (m *Mount) Ended() <-chan struct{} { return m.ended }

// Unmount unmounts the file system. It fails as long as a file there is open.
func (m *Mount) Unmount() error {
	if m.direct {
		return mount.Unmount(m.dir, m.ID)
	}
	if at, err := mount.At(m.dir); err != nil || at != m.ID {
		return err
	}
	return m.unmountByHelper()
}

func (m *Mount) unmountByHelper() error {
	text, err := exec.Command("fusermount3", "-u", "--", m.dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("unmount %s by fusermount3: %w: %s", m.dir, err, text)
	}
	return nil
}
