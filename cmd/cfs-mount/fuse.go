package main

import (
	"errors"
	"fmt"
	"log/syslog"
	"os"
	"os/signal"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"cfs/lib/erofs"
	"cfs/lib/fd"
	"cfs/lib/mount"
	"cfs/lib/oci"
	"cfs/lib/serve"
)

// The values of --fuse.
const (
	fuseAuto  = "auto"
	fuseYes   = "yes"
	fuseNo    = "no"
	fusePlain = "plain"
)

var fuseModes = []string{fuseAuto, fuseYes, fuseNo, fusePlain}

// byKernel reports whether the kernel is to mount the image. That is decided by what the caller may do, never by
// trying, so that a failure is reported and not worked around.
func (o *options) byKernel() (bool, error) {
	if o.fuse != fuseAuto {
		return o.fuse == fuseNo, nil
	}
	if o.hash {
		return false, nil
	}
	allowed, err := mount.Allowed()
	return allowed == mount.Privileged, err
}

// way is how an image is mounted by FUSE.
type way struct {
	overlay bool   // over metadata alone
	direct  bool   // without fusermount3
	why     string // there is no overlay
}

// findWay finds out how the caller, who is allowed this, can mount.
func (o *options) findWay(allowed mount.Privilege, verity bool) (w way, err error) {
	w.direct = allowed != mount.Unprivileged
	switch {
	case o.fuse == fusePlain:
		w.why = "--fuse plain"
	case o.hash:
		w.why = "--verify"
	case !w.direct:
		w.why = "overlayfs needs CAP_SYS_ADMIN, as in unshare -Urm"
	default:
		if err := mount.ProbeUserOverlay(verity); err != nil {
			w.why = err.Error()
		}
		w.overlay = w.why == ""
	}
	if o.mount.Upper != "" && !w.overlay {
		return w, fmt.Errorf("an upper directory needs overlayfs: %s", w.why)
	}
	return w, nil
}

// say says how the image is mounted, where the command line does not.
func (o *options) say(w way) {
	switch {
	case o.fuse == fusePlain, o.fuse == fuseYes && w.overlay:
	case w.overlay:
		o.Warn("mounting by FUSE, with overlayfs on top: only root of the initial user namespace can mount EROFS")
	default:
		o.Warn("mounting by FUSE, without overlayfs: %s", w.why)
	}
}

// serve mounts an image by FUSE and serves it until it is unmounted.
func (o *options) serve(q *request, dir string) error {
	allowed, err := mount.Allowed()
	if err != nil {
		return err
	}
	measured := q.Verity || q.TryVerity
	w, err := o.findWay(allowed, measured)
	if err != nil {
		return err
	}
	o.say(w)
	report, err := o.reporter()
	if err != nil {
		return err
	}
	if q.reader == nil {
		if q.reader, err = erofs.Read(q.image, 0); err != nil {
			return fmt.Errorf("%s: %w", q.image.Name(), err)
		}
	}
	objects := &serve.Objects{Measured: measured, Hashed: o.hash}
	for _, f := range q.objects {
		objects.Folders = append(objects.Folders, fd.NewRoot(f))
	}
	so := serve.Options{Options: q.Options, FUSE: mount.FUSE{AllowOther: o.allowOther}, Direct: w.direct}
	if w.overlay {
		so.Objects = q.objects
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	m, err := serve.Start(serve.Config{Image: q.reader, Objects: objects, Trusted: allowed == mount.Privileged, Log: report}, dir, so)
	if err != nil {
		return err
	}
	drop, err := o.leave(q, m.ID)
	if err == nil && isServer() {
		err = leaveParent()
	}
	if err != nil { // nobody would know of the server
		if failed := m.Unmount(); failed != nil {
			report(failed.Error())
		}
		return err
	}
	debug.FreeOSMemory()
	for {
		select {
		case <-m.Ended():
			if err := drop(); err != nil {
				report("the lease of the mount stays: " + err.Error())
			}
			return nil
		case <-stop:
			if err := m.Unmount(); err != nil {
				report(err.Error())
			}
		}
	}
}

// leave closes the repository: its lock is not needed any more, as the mount is visible. It returns how to drop
// the lease of the mount when that has ended.
func (o *options) leave(q *request, id mount.ID) (drop func() error, err error) {
	if q.repo == nil {
		return func() error { return nil }, nil
	}
	dir, err := os.OpenFile(q.repo.Path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	err = q.repo.Close()
	q.repo = nil
	return func() error {
		defer dir.Close() // which only led to the repository
		if !q.leased {
			return nil
		}
		r, err := o.OpenOther(fd.Path(int(dir.Fd())))
		if err != nil {
			return err
		}
		return errors.Join(oci.DropMount(r, id), r.Close())
	}, err
}

// reporter returns where the server says what is wrong with objects.
func (o *options) reporter() (func(text string), error) {
	if o.log != "" {
		f, err := os.OpenFile(o.log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		return func(text string) {
			fmt.Fprintf(f, "%s: %s\n", o.Tool, text) // the callers cannot do anything about a full disk
		}, nil
	}
	if o.foreground {
		return func(text string) { o.Warn("%s", text) }, nil
	}
	return func(text string) {
		// Connected each time: the daemon may be started again. Without one there is nobody to tell.
		if w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_ERR, o.Tool); err == nil {
			_ = w.Err(text)
			w.Close()
		}
	}, nil
}
