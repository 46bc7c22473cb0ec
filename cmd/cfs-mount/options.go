package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"cfs/lib/mount"
	"cfs/lib/tool"
	"cfs/lib/verity"
)

// options are what the command line can say.
type options struct {
	tool.Options

	bootable, requireVerity, insecure bool
	require                           tool.Optional   // of signatures
	trusted                           cli.StringSlice // files of certificates
	list                              bool            // what is mounted
	lists                             cli.StringSlice // of options of mount.composefs

	fuse, log        string // mode, and where the server reports
	foreground, hash bool
	allowOther       bool

	mount            mount.Options // without name and mapping
	readOnly         bool
	basedir          []string // not nil: the image is a file
	digestHex, idmap string
	digest           verity.ID
}

func (o *options) flags() []cli.Flag {
	o.require.Words = []string{"image"}
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "bootable", Destination: &o.bootable, Usage: "mount the boot image of a container image, not the plain one"},
		&cli.BoolFlag{Name: "require-verity", Destination: &o.requireVerity, Usage: "fail if the repository is not protected by fs-verity"},
		&cli.BoolFlag{Name: "insecure", Destination: &o.insecure, Usage: "allow an image without fs-verity, but use fs-verity if it has it, like a \"?\" in a kernel argument"},
		tool.NewOptionalFlag("require-signature", "fail if the EROFS image is not signed; with =image, also its manifest or config", &o.require),
		&cli.StringSliceFlag{Name: "trust-cert", Destination: &o.trusted, Usage: "trust signatures by the certificates in `FILE`, PEM or DER; may be repeated"},
		&cli.StringFlag{Name: "upperdir", Destination: &o.mount.Upper, Usage: "store writes in `DIR`"},
		&cli.StringFlag{Name: "workdir", Destination: &o.mount.Work, Usage: "an empty `DIR` on the file system of --upperdir"},
		&cli.BoolFlag{Name: "read-write", Destination: &o.mount.ReadWrite, Usage: "with --upperdir: make the mount writable"},
		&cli.StringSliceFlag{Name: "options", Aliases: []string{"o"}, Destination: &o.lists, Usage: "`OPTION`[,OPTION]... as mount.composefs has them"},
		&cli.StringFlag{Name: "fuse", Destination: &o.fuse, Value: fuseAuto, Usage: "mount by FUSE: `MODE` is auto (unless the kernel can), yes, no, or plain (without overlayfs)"},
		&cli.BoolFlag{Name: "foreground", Destination: &o.foreground, Usage: "with FUSE: do not go to the background"},
		&cli.BoolFlag{Name: "verify", Destination: &o.hash, Usage: "with FUSE, without overlayfs: compute the digest of each object when it is opened first"},
		&cli.StringFlag{Name: "log", Destination: &o.log, Usage: "with FUSE: report damaged objects in `FILE` (default: syslog, or stderr with --foreground)"},
		&cli.BoolFlag{Name: "list", Destination: &o.list, Usage: "list mounted images, their mount points and tags"},
		&cli.BoolFlag{Name: "json", Destination: &o.JSON, Usage: "with --list: write a JSON object for each mount"},
	}, o.RepoFlags()...)
}

// parse reads the options of mount.composefs over the others, and checks all.
func (o *options) parse() error {
	o.mount.Verity = o.requireVerity
	lists := o.lists.Value()
	for _, list := range lists {
		for _, s := range splitList(list) {
			if err := o.set(s); err != nil {
				return err
			}
		}
	}
	switch {
	case o.readOnly:
		o.mount.ReadWrite = false
	case len(lists) > 0 && o.mount.Upper != "":
		o.mount.ReadWrite = true // mount.composefs is read-write unless told otherwise
	}
	return o.check()
}

// splitList cuts a list at its commas. As for mount.composefs, a backslash makes the next
// byte, such as a comma, part of an option.
func splitList(list string) (options []string) {
	var option []byte
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '\\' && i+1 < len(list):
			i++
			option = append(option, list[i])
		case list[i] == ',':
			options, option = append(options, string(option)), nil
		default:
			option = append(option, list[i])
		}
	}
	return append(options, string(option))
}

func (o *options) check() error {
	switch {
	case (o.mount.Upper == "") != (o.mount.Work == ""):
		return tool.UsageError("--upperdir and --workdir must be given together")
	case o.mount.ReadWrite && o.mount.Upper == "":
		return tool.UsageError("--read-write needs --upperdir and --workdir")
	case o.digestHex != "" && o.basedir == nil:
		return tool.UsageError("-o digest requires -o basedir")
	case o.bootable && o.basedir != nil:
		return tool.UsageError("--bootable is for images of the repository")
	case !slices.Contains(fuseModes, o.fuse):
		return tool.UsageError("--fuse %q: want one of %s", o.fuse, strings.Join(fuseModes, ", "))
	case o.hash && (o.fuse == fuseNo || o.fuse == fuseYes || o.mount.Upper != ""):
		return tool.UsageError("--verify is for FUSE without overlayfs: --fuse plain")
	case o.fuse == fuseNo && (o.foreground || o.log != "" || o.allowOther):
		return tool.UsageError("--foreground, --log and -o allow_other are for FUSE")
	case o.fuse == fusePlain && o.mount.Upper != "":
		return tool.UsageError("--upperdir needs overlayfs, which --fuse plain is without")
	case o.fuse != fuseNo && o.fuse != fuseAuto && o.idmap != "":
		return tool.UsageError("-o idmap is for mounts by the kernel: --fuse no")
	case o.digestHex == "":
		return nil
	}
	var err error
	if o.digest, err = verity.ParseID(o.digestHex); err != nil {
		return tool.UsageError("-o digest: %w", err)
	}
	return nil
}

// set reads one option of mount.composefs.
func (o *options) set(s string) error {
	name, value, hasValue := strings.Cut(s, "=")
	texts := map[string]*string{"digest": &o.digestHex, "idmap": &o.idmap, "fuse": &o.fuse, "upperdir": &o.mount.Upper, "workdir": &o.mount.Work}
	flags := map[string]*bool{"verity": &o.mount.Verity, "tryverity": &o.mount.TryVerity, "ro": &o.readOnly, "allow_other": &o.allowOther}
	switch {
	case texts[name] != nil && value != "":
		*texts[name] = value
	case name == "basedir" && value != "":
		o.basedir = append(o.basedir, strings.Split(value, ":")...)
	case flags[name] != nil && !hasValue:
		*flags[name] = true
	case s == "rw":
		o.readOnly = false // mount(8) says it of all mounts; without an upper directory it is read-only
	default:
		return tool.UsageError("-o %s is not an option of composefs mounts", s)
	}
	return nil
}
