package erofs

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/tree"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// sample returns a tree with one of each thing that the forgeries below change.
func sample() *tree.Inode {
	file := func(content string) *tree.Inode {
		return &tree.Inode{Mode: unix.S_IFREG | 0o644, Inline: content, Size: uint64(len(content))}
	}
	root, dir, deep := tree.NewDir(0o755), tree.NewDir(0o755), tree.NewDir(0o755)
	external := &tree.Inode{Mode: unix.S_IFREG | 0o644, Size: 5000, Object: verity.SHA256.Sum([]byte("content"))}
	linked := file("linked")
	labelled := file("labelled")
	labelled.Xattrs = []tree.Xattr{{Name: "security.selinux", Value: "label"}, {Name: "user.own", Value: "value"}}
	also := file("too")
	also.Xattrs = labelled.Xattrs[:1]
	for i := range 300 { // dir has a block and a tail
		dir.Put(strings.Repeat("n", 1+i/20)+string(rune('A'+i%20)), linked)
	}
	deep.Put("fifo", &tree.Inode{Mode: unix.S_IFIFO | 0o600})
	dir.Put("deep", deep)
	for name, n := range map[string]*tree.Inode{
		"dir": dir, "external": external, "linked": linked, "labelled": labelled, "too": also,
		"symlink": {Mode: unix.S_IFLNK | 0o777, Target: "target"},
		"device":  {Mode: unix.S_IFCHR | 0o600, Rdev: 259},
		"wh":      {Mode: unix.S_IFCHR | 0o600},
	} {
		root.Put(name, n)
	}
	return root
}

// forged is an image to be changed.
type forged struct {
	t    *testing.T
	data []byte
}

func newForged(t *testing.T, v variant.Format) *forged {
	var buf bytes.Buffer
	if err := Write(&buf, sample(), v); err != nil {
		t.Fatal(err)
	}
	return &forged{t, buf.Bytes()}
}

// inode finds an inode by its path, "" for the root.
func (f *forged) inode(path string) *inode {
	img, err := Open(f.data)
	if err != nil {
		f.t.Fatal(err)
	}
	in, err := img.inode(img.root)
	for name := range strings.SplitSeq(path, "/") {
		if path == "" || err != nil {
			break
		}
		in, err = img.inode(le.Uint64(f.dirent(in, name)))
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return in
}

// dirent finds an entry of a directory: its bytes in the image.
func (f *forged) dirent(dir *inode, name string) []byte {
	for number := range dir.chunks() {
		c, err := dir.chunk(number)
		if err != nil {
			f.t.Fatal(err)
		}
		for i := range c.len() {
			if h, _ := c.header(i); string(c.names[h.start:h.end]) == name {
				return c.headers[direntSize*i:]
			}
		}
	}
	f.t.Fatalf("no entry %q", name)
	return nil
}

// at returns the bytes of the image from an inode's header on.
func (f *forged) at(path string) []byte { return f.data[f.inode(path).offset():] }

// setLinks changes the link count of an inode.
func (f *forged) setLinks(path string, n uint16) {
	if b := f.at(path); b[0]&formatExtended != 0 {
		le.PutUint16(b[44:], n)
	} else {
		le.PutUint16(b[6:], n)
	}
}

// xattrBlock returns the xattr block of an inode.
func (f *forged) xattrBlock(path string) []byte { return f.inode(path).xattrs }

// replace changes the first occurrence of a text in the image.
func (f *forged) replace(old, new string) {
	i := bytes.Index(f.data, []byte(old))
	if i < 0 || len(old) != len(new) {
		f.t.Fatalf("can't replace %q by %q", old, new)
	}
	copy(f.data[i:], new)
}

var allVersions = []variant.Format{variant.V0, variant.V1, variant.V2}

// Each way to forge an image is found out by Tree or, if it is one of the rules
// of Check, by that.
func TestForgedImages(t *testing.T) {
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			versions := c.versions
			if versions == nil {
				versions = allVersions
			}
			for _, v := range versions {
				f := newForged(t, v)
				c.forge(f)
				err := readForged(f.data, c.check)
				if err == nil || !corrupt.Is(err) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("V%d: got error %v, want one with %q", v, err, c.want)
				}
			}
		})
	}
}

// readForged reads all of an image that Open takes.
func readForged(data []byte, check bool) error {
	img, err := Open(data)
	if err != nil {
		return err
	}
	if _, err := img.Tree(); err != nil || !check {
		return err
	}
	err = img.Objects(func(verity.ID) error { return nil })
	return err
}

var forgeries = []struct {
	name     string
	versions []variant.Format // nil for all
	check    bool             // Tree takes it, Check does not
	forge    func(f *forged)
	want     string
}{
	{name: "header magic", forge: func(f *forged) { f.data[0]++ }, want: "offset 0"},
	{name: "header version", forge: func(f *forged) { f.data[4]++ }, want: "offset 4"},
	{name: "composefs version", forge: func(f *forged) { f.data[12] = 3 }, want: "offset 12"},
	{name: "erofs magic", forge: func(f *forged) { f.data[1024]++ }, want: "offset 1024"},
	{name: "compat feature", forge: func(f *forged) { f.data[1024+8] |= 8 }, want: "feature_compat"},
	{name: "block bits", forge: func(f *forged) { f.data[1024+12] = 11 }, want: "blkszbits"},
	{name: "ext slots", forge: func(f *forged) { f.data[1024+13] = 1 }, want: "sb_extslots"},
	{name: "root nid", forge: func(f *forged) { le.PutUint16(f.data[1024+14:], 65535) }, want: "nid 65535"},
	{name: "meta block", forge: func(f *forged) { f.data[1024+40] = 1 }, want: "meta_blkaddr"},
	{name: "xattr block", forge: func(f *forged) { f.data[1024+46] = 1 }, want: "shared xattrs"},
	{name: "incompat feature", forge: func(f *forged) { f.data[1024+80] |= 1 }, want: "feature_incompat"},
	{name: "compression", forge: func(f *forged) { f.data[1024+84] = 1 }, want: "compr_algs"},
	{name: "devices", forge: func(f *forged) { f.data[1024+86] = 1 }, want: "extra_devices"},
	{name: "directory blocks", forge: func(f *forged) { f.data[1024+90] = 1 }, want: "dirblkbits"},
	{name: "xattr prefixes", forge: func(f *forged) { f.data[1024+91] = 1 }, want: "xattr_prefix_count"},
	{name: "packed inode", forge: func(f *forged) { f.data[1024+96] = 1 }, want: "packed_nid"},

	{name: "unknown layout", forge: func(f *forged) { f.at("linked")[0] = 3 << layoutShift }, want: "i_format"},
	{name: "format bits", forge: func(f *forged) { f.at("linked")[1] = 1 }, want: "i_format"},
	{name: "xattrs beyond end", forge: func(f *forged) { le.PutUint16(f.at("too")[2:], 65535) }, want: "beyond the end"},
	{name: "blocks beyond end", forge: func(f *forged) { le.PutUint32(f.at("dir")[16:], 1<<31) }, want: "beyond the end"},
	{name: "size beyond end", forge: func(f *forged) { le.PutUint32(f.at("symlink")[8:], 1<<30+6) }, want: "more than the image"},
	{name: "nanoseconds", versions: []variant.Format{variant.V2}, forge: func(f *forged) { le.PutUint32(f.at("dir")[40:], 1e9) }, want: "nanoseconds"},
	{name: "build time", versions: []variant.Format{variant.V0, variant.V1}, forge: func(f *forged) { le.PutUint32(f.data[1024+32:], 1e9) }, want: "nanoseconds"},
	{name: "unknown type", forge: func(f *forged) { f.at("linked")[5] = 0xf1 }, want: "mode"},
	{name: "root no directory", forge: func(f *forged) { f.at("")[5] = 0x81 }, want: "not a directory"},

	{name: "no entries", forge: func(f *forged) { le.PutUint16(f.inode("dir").blocks[8:], 0) }, want: "first name at 0"},
	{name: "odd first name", forge: func(f *forged) { le.PutUint16(f.inode("dir").blocks[8:], 13) }, want: "first name at 13"},
	{name: "far first name", forge: func(f *forged) { le.PutUint16(f.inode("dir").blocks[8:], 12*400) }, want: "first name at 4800"},
	{name: "name before names", forge: func(f *forged) { le.PutUint16(f.inode("dir").blocks[8+12:], 5) }, want: "not within"},
	{name: "name after names", forge: func(f *forged) { le.PutUint16(f.inode("dir").blocks[8+12:], 65535) }, want: "not within"},
	{name: "slash", forge: func(f *forged) { f.replace("labelledlinked", "la/elledlinked") }, want: "slash"},
	{name: "nul", forge: func(f *forged) { f.replace("external", "ext\x00rnal") }, want: "NUL"},
	{name: "order", forge: func(f *forged) { f.replace("labelledlinked", "zabelledlinked") }, want: "out of order"},
	{name: "no dot", forge: func(f *forged) { f.removeDots() }, want: "without"},
	{name: "dot", forge: func(f *forged) { f.dirent(f.inode("dir"), ".")[0]++ }, want: `"." is nid`},
	{name: "dotdot", forge: func(f *forged) { f.dirent(f.inode("dir/deep"), "..")[0]++ }, want: `".." is nid`},
	{name: "entry type", forge: func(f *forged) { f.dirent(f.inode(""), "linked")[10] = 2 }, want: "type 2"},
	{name: "nid beyond end", forge: func(f *forged) { f.dirent(f.inode(""), "linked")[7] = 0xff }, want: "beyond the end"},
	{name: "directory links", forge: func(f *forged) { f.setLinks("dir", 2) }, want: "link count of 2"},
	{name: "directory in itself", forge: func(f *forged) {
		copy(f.dirent(f.inode("dir"), "deep")[:8], f.dirent(f.inode("dir"), ".")[:8])
	}, want: "more names"},
	{name: "directory size", versions: []variant.Format{variant.V0, variant.V1}, forge: func(f *forged) { f.at("")[8]++ }, want: "a directory of"},
	{name: "directory of chunks", forge: func(f *forged) { f.at("dir")[0] = f.at("dir")[0]&1 | chunkBased<<layoutShift }, want: "a directory of"},

	{name: "too few links", forge: func(f *forged) { f.setLinks("linked", 300) }, want: "more names"},
	{name: "no links", forge: func(f *forged) { f.setLinks("symlink", 0) }, want: "link count of 0"},
	{name: "linked whiteout", forge: func(f *forged) { f.setLinks("wh", 2) }, want: "whiteout"},
	{name: "target too long", forge: func(f *forged) { f.resize("symlink", 4096+6) }, want: "content"},
	{name: "overlap", forge: func(f *forged) { le.PutUint32(f.at("symlink")[8:], 4096+6) }, want: "overlap"},
	{name: "nul in target", forge: func(f *forged) { f.replace("target", "tar\x00et") }, want: "NUL"},
	{name: "content too long", forge: func(f *forged) { f.resize("too", 8192+3) }, want: "content"},
	{name: "metacopy version", forge: func(f *forged) { f.replace("metacopy\x00\x24\x00\x01", "metacopy\x01\x24\x00\x01") }, want: "metacopy"},
	{name: "metacopy length", forge: func(f *forged) { f.replace("metacopy\x00\x24\x00\x01", "metacopy\x00\x44\x00\x01") }, want: "metacopy"},
	{name: "metacopy flags", forge: func(f *forged) { f.replace("metacopy\x00\x24\x00\x01", "metacopy\x00\x24\x01\x01") }, want: "metacopy"},
	{name: "metacopy algorithm", forge: func(f *forged) { f.replace("metacopy\x00\x24\x00\x01", "metacopy\x00\x24\x00\x02") }, want: "metacopy"},

	{name: "shared count", forge: func(f *forged) { f.xattrBlock("too")[4] = 200 }, want: "200 shared xattrs"},
	{name: "shared xattr beyond end", forge: func(f *forged) { f.xattrBlock("too")[15] = 0x7f }, want: "beyond the end"},
	{name: "xattr index", forge: func(f *forged) { f.xattrBlock("labelled")[16+1] = 7 }, want: "name index 7"},
	{name: "xattr size", forge: func(f *forged) { f.xattrBlock("labelled")[16+3] = 1 }, want: "an xattr of"},
	{name: "xattr without name", forge: func(f *forged) { copy(f.xattrBlock("labelled")[16:], "\x00\x00\x05\x00") }, want: "no name"},

	{name: "missing stub", versions: []variant.Format{variant.V0, variant.V1}, check: true, forge: func(f *forged) { f.removeStub() }, want: "all 256"},
	{name: "stored whiteout", versions: []variant.Format{variant.V0, variant.V1}, check: true, forge: func(f *forged) { le.PutUint32(f.at("device")[16:], 0) }, want: "not escaped"},
	{name: "symbolic link across blocks", versions: []variant.Format{variant.V0, variant.V1}, check: true, forge: func(f *forged) { f.moveSymlink() }, want: "across two blocks"},
	{name: "escaped whiteout", versions: []variant.Format{variant.V2}, check: true, forge: func(f *forged) { f.escapeInV2() }, want: "escaped whiteout"},
}

// removeDots leaves only the entry "fifo" of the directory "deep".
func (f *forged) removeDots() {
	in := f.inode("dir/deep")
	fifo := bytes.Clone(f.dirent(in, "fifo")[:direntSize])
	le.PutUint16(fifo[8:], direntSize)
	copy(in.tail, append(fifo, "fifo"...))
	le.PutUint32(f.at("dir/deep")[8:], direntSize+4)
}

// removeStub makes the stub 7f another name of the device.
func (f *forged) removeStub() {
	copy(f.dirent(f.inode(""), "7f")[:8], f.dirent(f.inode(""), "device")[:8])
	f.setLinks("device", 2)
	f.replace("7d7e7f80", "7d7e7z80")
}

// moveSymlink moves a symbolic link to where a block ends with its header.
func (f *forged) moveSymlink() {
	inode := bytes.Clone(f.at("symlink")[:2*slotSize])
	end := len(f.data)
	f.data = append(f.data, make([]byte, 2*blockSize)...)
	copy(f.data[end+blockSize-slotSize:], inode)
	le.PutUint64(f.dirent(f.inode(""), "symlink"), uint64(end+blockSize)/slotSize-1)
}

// resize changes the size of an inode, in an image with room for that.
func (f *forged) resize(path string, size uint32) {
	f.data = append(f.data, make([]byte, 1<<16)...)
	le.PutUint32(f.at(path)[8:], size)
}

// escapeInV2 gives an empty file of the tree the xattr of an escaped whiteout,
// which a V2 image can hold.
func (f *forged) escapeInV2() {
	root := sample()
	root.Put("empty", &tree.Inode{
		Mode:   unix.S_IFREG | 0o644,
		Xattrs: []tree.Xattr{{Name: overlayPrefix + "whiteout"}},
	})
	var buf bytes.Buffer
	if err := Write(&buf, root, variant.V2); err != nil {
		f.t.Fatal(err)
	}
	f.data = buf.Bytes()
}
