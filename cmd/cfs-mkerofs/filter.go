package main

import (
	"fmt"
	"runtime/debug"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"cfs/lib/manifest"
	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/temporary"
	"cfs/lib/tolerance"
	"cfs/lib/tool"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// maker is the stage of the pipe.
type maker struct {
	c         *cli.Context
	repo      *repo.Repo // nil before the first record
	out       *record.Writer
	mode      variant.XattrMode
	expected  verity.ID // of the boot image, if one is
	image     pull.Incoming
	committed bool  // a manifest has come
	partial   error // of the first part that could not be made
}

// gcPercent is more than other stages have: a tree is all small things, which would be
// marked again and again while it grows, and they are most of what is in memory.
const gcPercent = 50

func filter(c *cli.Context) error {
	debug.SetGCPercent(gcPercent)
	m := &maker{c: c, out: tool.Records(c)}
	defer func() {
		if m.repo != nil {
			m.repo.Close()
		}
	}()
	return tool.Filter(c, m.out, tool.Stage{Start: m.start, Handle: m.handle, Finish: m.finish})
}

// start refuses options that mean nothing here.
func (m *maker) start() error {
	if m.c.NArg() > 0 {
		return tool.UsageError("unexpected operand %q", m.c.Args().First())
	}
	for _, name := range []string{"compat", "output", "if-changed", "store", "ref", "hash"} {
		if m.c.IsSet(name) {
			return tool.UsageError("--%s goes with --dumpfile, --tree, --oci or --image", name)
		}
	}
	if err := onlyTree(m.c); err != nil {
		return err
	}
	var err error
	if m.mode, err = variant.ParseXattrMode(m.c.String("xattrs")); err != nil {
		return tool.UsageError("--xattrs: %w", err)
	}
	if m.mode != variant.AllowlistOnly && !m.c.Bool("bootable") {
		return tool.UsageError("--xattrs %s goes with --bootable: the plain image of a container image has the default mode", m.mode)
	}
	m.expected, err = checkBoot(m.c)
	return err
}

func (m *maker) finish() error {
	if !m.committed {
		return tool.NoManifest()
	}
	return m.partial
}

func (m *maker) handle(rec record.Record) error {
	if m.repo == nil {
		var err error
		if m.repo, err = tool.OpenToWrite(m.c); err != nil {
			return err
		}
	}
	switch rec.Kind {
	case "image":
		return m.image.Add(rec) // and maybe replaced
	case "manifest":
		manifest, err := pull.ParseManifest(rec)
		if err != nil {
			return fmt.Errorf("manifest %s: %w", rec.Digest, err)
		}
		if err := m.commit(manifest); err != nil {
			return err
		}
		m.image, m.committed = pull.Incoming{}, true
	default:
		if err := m.image.Add(rec); err != nil {
			return err
		}
	}
	return m.out.Write(rec)
}

// commit makes the images of a container image and writes their records after those
// that came and are not replaced.
func (m *maker) commit(manifest pull.Manifest) error {
	link, err := m.image.Link(m.repo, manifest)
	if temporary.Is(err) {
		return tool.Again("%w", err)
	}
	if err != nil {
		return err
	}
	made, err := m.make(link)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", manifest.Digest, err)
	}
	for _, old := range m.image.Images {
		if !replaced(old, made) {
			if err := m.out.Write(old.Record()); err != nil {
				return err
			}
		}
	}
	for _, rec := range made {
		if err := m.out.Write(rec); err != nil {
			return err
		}
	}
	return nil
}

// make makes the images of an image, of which an artifact has none.
func (m *maker) make(link *oci.Link) (made []record.Record, err error) {
	var root *tree.Inode
	if link.IsContainer() {
		if root, made, err = m.makePlain(link); err != nil {
			return nil, err
		}
	}
	if !m.c.Bool("bootable") {
		return made, nil
	}
	boot, err := m.addBoot(link, root)
	return append(made, boot...), err
}

// makePlain stores the plain image in each format of the repository, and returns its
// tree too.
func (m *maker) makePlain(link *oci.Link) (*tree.Inode, []record.Record, error) {
	formats, err := m.formats()
	if err != nil {
		return nil, nil, err
	}
	if m.c.Bool("strict") {
		if err := refuseDocker(link.Manifest); err != nil {
			return nil, nil, err
		}
	}
	root, err := link.Tree(m.repo, variant.AllowlistOnly, tolerance.Strict(m.c.Bool("strict")))
	if temporary.Is(err) {
		return nil, nil, tool.Again("%w", err)
	}
	if err != nil {
		return nil, nil, err
	}
	var made []record.Record
	for _, version := range formats {
		id, err := oci.StoreImage(m.repo, root, version)
		if err != nil {
			return nil, nil, err
		}
		made = append(made, pull.ErofsImage{ID: id, Variant: variant.Variant{Format: version}}.Record())
	}
	return root, made, nil
}

// refuseDocker refuses media types that the reference does not know.
func refuseDocker(m v1.Manifest) error {
	for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if manifest.IsDocker(d.MediaType) {
			return fmt.Errorf("%s: media type %q %w", d.Digest, d.MediaType, tolerance.ErrRefused)
		}
	}
	return nil
}

// formats returns the formats of the repository, or the one that is asked for.
func (m *maker) formats() ([]variant.Format, error) {
	s := m.c.String("erofs-version")
	if s == "" {
		return m.repo.Formats, nil
	}
	v, err := variant.ParseFormat(s)
	if err != nil {
		return nil, tool.UsageError("--erofs-version %w", err)
	}
	return []variant.Format{v}, nil
}

// replaced reports whether an image was made that takes the place of an old one.
func replaced(old pull.ErofsImage, made []record.Record) bool {
	for _, rec := range made {
		if is, err := pull.ParseErofsImage(rec); err == nil && is.Variant.Key() == old.Variant.Key() {
			return true
		}
	}
	return false
}
