package bootloader

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"cfs/lib/boot"
	"cfs/lib/esp"
	"cfs/lib/tree"
)

// planUKI plans to install a unified kernel image, which is its own entry.
func (p *Plan) planUKI(s *source, e boot.Entry) error {
	if len(p.Args) > 0 {
		return fmt.Errorf("%s %w", e.Path, ErrSealed)
	}
	k, err := s.sealed(e.Path, e.File)
	if err != nil {
		return err
	}
	p.warnOfMark(k)
	if _, err := p.setID(s, k); err != nil {
		return err
	}
	p.setEntry(boot.KindUKI, p.file(s, e.File))
	return nil
}

// warnOfMark warns if the UKI asks for another protection than the repository has.
func (p *Plan) warnOfMark(k boot.Karg) {
	switch {
	case !k.Insecure && !p.Repo.Secure:
		p.Warn(fmt.Errorf("the unified kernel image needs fs-verity, which the repository %s does not have: it boots only from another one", p.Repo.Path))
	case k.Insecure && p.Repo.Secure:
		p.Warn(errors.New("the unified kernel image boots its image without fs-verity too: its kernel argument has a \"?\""))
	}
}

func (p *Plan) file(s *source, n *tree.Inode) esp.File {
	return esp.File{Size: int64(n.Size), Open: func() (io.ReadCloser, error) { return s.open(n) }}
}

// planKernel plans to install a kernel with its initramfs.
func (p *Plan) planKernel(s *source, e boot.Entry) error {
	if e.Initramfs == nil {
		return fmt.Errorf("%s has no initramfs.img next to it", e.Path)
	}
	if !validKernel.MatchString(e.Version) {
		return fmt.Errorf("%q cannot be the version of a kernel in a boot entry", e.Version)
	}
	k, err := s.karg(p.Insecure)
	if err != nil {
		return err
	}
	release, err := p.setID(s, k)
	if err != nil {
		return err
	}
	set := fileSet{plan: p, source: s}
	linux := set.add("vmlinuz", e.File)
	initrd := set.add("initramfs.img", e.Initramfs)
	dir, err := set.place()
	if err != nil {
		return err
	}
	title, version, sortKey := release.Title, e.Version, release.SortKey
	if title == "" {
		title = p.Result.ID
	}
	if release.Version != "" {
		version = release.Version + "-" + e.Version
	}
	if sortKey == "" {
		sortKey = "composefs"
	}
	text := boot.KernelText(title, version, sortKey, dir+linux, dir+initrd, boot.SetArguments("", k.String(), p.Args))
	p.setEntry(boot.KindKernel, esp.Text("", text))
	return nil
}

// planBLS plans to install an entry of the image, with its files.
func (p *Plan) planBLS(s *source, e boot.Entry) error {
	if err := e.Loader.CheckLines(); err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	k, options, err := p.kargOfBLS(s, e)
	if err != nil {
		return err
	}
	if _, err := p.setID(s, k); err != nil {
		return err
	}
	set := fileSet{plan: p, source: s}
	names := map[string]string{}
	for _, name := range e.Loader.Paths() {
		n, err := boot.FileAt(s.root, name)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", e.Path, name, err)
		}
		names[name] = set.add(path.Base(path.Clean("/"+name)), n)
	}
	dir, err := set.place()
	if err != nil {
		return err
	}
	text := e.Loader.Rewrite(func(name string) string { return dir + names[name] }, options)
	p.setEntry(boot.KindBLS, esp.Text("", text))
	return nil
}

// kargOfBLS returns the argument of the image that an entry boots, and its options: none if
// it starts a unified kernel image.
func (p *Plan) kargOfBLS(s *source, e boot.Entry) (k boot.Karg, options string, err error) {
	started := e.Loader.Images()
	if len(started) == 0 {
		k, err = s.karg(p.Insecure)
		return k, boot.SetArguments(e.Loader.Options(), k.String(), p.Args), err
	}
	if len(p.Args) > 0 {
		return k, "", fmt.Errorf("%s %w", e.Path, ErrSealed)
	}
	if e.Loader.Options() != "" {
		p.Warn(fmt.Errorf("%s: its options are omitted, as they would override the command line of the unified kernel image", e.Path))
	}
	for _, name := range started {
		n, err := boot.FileAt(s.root, name)
		if err != nil {
			return k, "", fmt.Errorf("%s: %q: %w", e.Path, name, err)
		}
		if k, err = s.sealed(name, n); err != nil {
			return k, "", err
		}
	}
	p.warnOfMark(k)
	return k, "", nil
}

// fileSet gathers files that go into one folder, which is named by what they are.
type fileSet struct {
	plan   *Plan
	source *source
	files  []esp.File
	nodes  []*tree.Inode
}

// add returns the name that a file gets: its own, or if another file has that, as vfat
// compares names, one with a number.
func (s *fileSet) add(name string, n *tree.Inode) string {
	for try := 0; ; try++ {
		free := name
		if try > 0 {
			free = name + "-" + strconv.Itoa(try)
		}
		taken := false
		for i, f := range s.files {
			if esp.Fold(f.Path) != esp.Fold(free) {
				continue
			}
			if sameContent(s.nodes[i], n) {
				return f.Path
			}
			taken = true
		}
		if !taken {
			f := s.plan.file(s.source, n)
			f.Path = free
			s.files, s.nodes = append(s.files, f), append(s.nodes, n)
			return free
		}
	}
}

func sameContent(a, b *tree.Inode) bool {
	return a == b || a.Size == b.Size && a.Object == b.Object && a.Inline == b.Inline
}

// folderDigits is how many digits of the digest name a folder of kernels.
const folderDigits = 32

// place puts the files into the plan, and returns the path of their folder as entries have
// it, with slashes around it.
func (s *fileSet) place() (dir string, err error) {
	sum := sha256.New()
	for _, f := range s.files {
		in, err := f.Open()
		if err != nil {
			return "", err
		}
		content := sha256.New()
		_, err = io.Copy(content, in)
		if err := errors.Join(err, in.Close()); err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s\x00%x", f.Path, content.Sum(nil))
	}
	name := esp.KernelFolder + hex.EncodeToString(sum.Sum(nil))[:folderDigits]
	for _, f := range s.files {
		f.Path = name + "/" + f.Path
		s.plan.files = append(s.plan.files, f)
	}
	return "/" + strings.Trim(name, "/") + "/", nil
}
