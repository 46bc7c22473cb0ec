package bootloader

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"cfs/lib/boot"
	"cfs/lib/esp"
	"cfs/lib/oci"
)

// Install says what is to be installed.
type Install struct {
	Target
	Operand   string   // tag or digest of a container image, or digest of its boot image
	ID        string   // "" for one made of the name of the system and the digest
	Entry     string   // path in the image, "" for the first
	Args      []string // further arguments of the kernel
	Insecure  bool     // boot the image without fs-verity too; does not matter for a UKI
	Tries     int      // how often a boot is tried, 0 for no counting
	SharedVar bool     // one /var for all
}

// Plan is what an installation does.
type Plan struct {
	Install
	Result Installed
	files  []esp.File // that are read by the entry, or nil
	entry  esp.File
}

// Plan reads the image and makes what is to be written. Nothing is changed.
func (i Install) Plan() (*Plan, error) {
	s, err := openSource(i.Repo, i.Operand)
	if err != nil {
		return nil, err
	}
	e, others, err := s.choose(i.Entry)
	if err != nil {
		return nil, err
	}
	p := &Plan{Install: i}
	p.Result.Name, p.Result.Manifest = s.tag(), s.image.Manifest.Digest.String()
	p.Result.Entry = Entry{Kind: e.Kind}
	switch e.Kind {
	case boot.KindUKI:
		err = p.planUKI(s, e)
	case boot.KindBLS:
		err = p.planBLS(s, e)
	default:
		err = p.planKernel(s, e)
	}
	if err != nil && len(others) > 0 {
		err = fmt.Errorf("%w; --entry chooses another one: %s", err, strings.Join(others, ", "))
	}
	if err == nil {
		err = p.checkPaths()
	}
	return p, err
}

func (p *Plan) checkPaths() error {
	for _, f := range append(slices.Clone(p.files), p.entry) {
		if err := esp.CheckPath(f.Path); err != nil {
			return err
		}
	}
	return nil
}

// setID sets the ID of the entry, of whose files the argument is known.
func (p *Plan) setID(s *source, k boot.Karg) (boot.Release, error) {
	release, err := boot.ReadRelease(s.root, s.open)
	if err != nil {
		return release, fmt.Errorf("%s: %w", s.operand, err)
	}
	p.Result.Image, p.Result.ID = k.ID, p.ID
	if p.ID == "" {
		p.Result.ID = idOf(release.ID, k.ID)
	}
	return release, nil
}

// counter returns what counts tries in the name of a new entry.
func (p *Plan) counter() string {
	if p.Tries == 0 {
		return ""
	}
	return fmt.Sprintf("+%d", p.Tries)
}

// setEntry sets the file that is the entry, under the name of one that is new.
func (p *Plan) setEntry(kind boot.Kind, file esp.File) {
	file.Path = entriesDir + "/" + p.Result.ID + p.counter() + ".conf"
	if kind == boot.KindUKI {
		file.Path = imagesDir + "/" + p.Result.ID + p.counter() + ".efi"
	}
	p.entry, p.Result.Path, p.Result.Counter = file, file.Path, p.counter()
}

// Prepare compares the plan with what the folder has, and returns what there is to do. The
// error is about what is in the way, or that there is no room.
func (p *Plan) Prepare() (actions []Action, scan *Scan, err error) {
	if scan, err = Read(p.Folder, p.Repo.Algorithm); err != nil {
		return nil, nil, err
	}
	p.setEntry(p.kindOfFile(), p.entry)
	if err := p.adopt(scan.find(p.Result.ID)); err != nil {
		return nil, nil, err
	}
	var write []esp.File
	for _, f := range append(slices.Clone(p.files), p.entry) {
		same, err := p.Folder.Has(f)
		if err != nil {
			return nil, nil, err
		}
		do := "keep"
		if !same {
			do, write = "write", append(write, f)
		}
		actions = append(actions, Action{do, f.Path, f.Size})
	}
	before, err := p.orphans(scan)
	if err != nil {
		return nil, nil, err
	}
	after, err := p.removals(scan)
	if err != nil {
		return nil, nil, err
	}
	return append(actions, after...), scan, p.Folder.CheckSpace(write, before)
}

// installed is the entry as it will be.
func (p *Plan) installed() Entry {
	e := Entry{Path: p.entry.Path}
	for _, f := range p.files {
		e.Files = append(e.Files, f.Path)
	}
	return e
}

// orphans returns the folders of kernels that no entry names, as a killed installation leaves
// them. Those that the plan needs are none.
func (p *Plan) orphans(scan *Scan) ([]string, error) {
	if len(scan.Broken) > 0 {
		return nil, nil
	}
	return p.unusedKernels(append(slices.Clone(scan.Entries), p.installed()), nil)
}

// removals returns what goes once the entry is there: other files of it, and the kernels that
// no entry names then.
func (p *Plan) removals(scan *Scan) (actions []Action, err error) {
	left := []Entry{p.installed()}
	old := scan.find(p.Result.ID)
	for _, e := range scan.Entries {
		if !slices.ContainsFunc(old, func(o Entry) bool { return o.Path == e.Path }) {
			left = append(left, e)
		} else if e.Path != p.entry.Path {
			actions = append(actions, Action{"remove", e.Path, 0})
		}
	}
	if len(scan.Broken) > 0 {
		return actions, nil
	}
	folders, err := p.unusedKernels(left, nil)
	for _, dir := range folders {
		actions = append(actions, Action{"remove", dir, 0})
	}
	return actions, err
}

func (p *Plan) kindOfFile() boot.Kind {
	if path.Dir(p.entry.Path) == imagesDir {
		return boot.KindUKI
	}
	return boot.KindBLS
}

// adopt takes the name of the entry with that ID which is there already, if it has the same
// content, and refuses to replace any that is not ours. Boot loaders change the counter in
// it, and vfat keeps the case in which it was made.
func (p *Plan) adopt(old []Entry) error {
	var same *Entry
	for i, e := range old {
		equal, err := p.isEntry(e)
		if err != nil {
			return err
		}
		if equal {
			same = &old[i]
			continue
		}
		ours, err := p.isOurs(e)
		if err != nil {
			return err
		}
		if !ours {
			return fmt.Errorf("%s/%s exists and belongs to another repository: choose another ID with --entry-id, or remove it with cfs-link boot-remove", p.Folder.Path, e.Path)
		}
		p.Result.ID = e.ID
	}
	if same != nil {
		p.entry.Path, p.Result.Path, p.Result.ID, p.Result.Counter = same.Path, same.Path, same.ID, same.Counter
		return nil
	}
	p.setEntry(p.kindOfFile(), p.entry)
	return nil
}

// isEntry reports whether an entry has the content of the one that is planned.
func (p *Plan) isEntry(e Entry) (bool, error) {
	if path.Ext(e.Path) != path.Ext(p.entry.Path) {
		return false, nil
	}
	f := p.entry
	f.Path = e.Path
	return p.Folder.Has(f)
}

func (p *Plan) isOurs(e Entry) (bool, error) {
	for _, image := range e.Images {
		if ours, err := hasRef(p.Repo, e.ID, image); ours || err != nil {
			return ours, err
		}
	}
	return false, nil
}

// Run installs the plan, durably. It may be killed and run again.
func (p *Plan) Run() error {
	if _, _, err := p.Prepare(); err != nil { // nothing is changed before this is fine
		return err
	}
	if err := p.Folder.Begin(p.Lock); err != nil {
		return err
	}
	_, before, err := p.Prepare()
	if err != nil {
		return err
	}
	p.warn(before.Warnings)
	p.warn(before.Broken)
	orphans, err := p.orphans(before)
	if err == nil {
		err = p.removeKernels(orphans)
	}
	if err != nil {
		return err
	}
	for _, f := range p.files {
		if err := p.writeIfOther(f); err != nil {
			return err
		}
	}
	if err := p.Folder.Sync(); err != nil {
		return err
	}
	if err := p.keep(); err != nil {
		return err
	}
	if err := p.writeIfOther(p.entry); err != nil {
		return err
	}
	if err := p.Folder.Sync(); err != nil {
		return err
	}
	return p.dropOld(before)
}

// keep makes what has to be there before the entry is: the state, and the ref.
func (p *Plan) keep() error {
	if p.State != "" {
		if err := makeState(p.State, p.Result.Image, p.SharedVar); err != nil {
			return err
		}
	}
	return oci.NameImage(p.Repo, refOf(p.Result.ID, p.Result.Image), p.Result.Image)
}

func (p *Plan) writeIfOther(f esp.File) error {
	same, err := p.Folder.Has(f)
	if same || err != nil {
		return err
	}
	return p.Folder.Write(f)
}

// dropOld removes other files of the entry, as those with another counter, then the kernels
// that no entry names, then the refs of the images that it has named. A ref of the ID that
// nothing here has named belongs to another boot directory.
func (p *Plan) dropOld(before *Scan) error {
	old := before.find(p.Result.ID)
	for _, e := range old {
		if e.Path == p.entry.Path || esp.Fold(e.Path) == esp.Fold(p.entry.Path) {
			continue
		}
		if err := p.Folder.Remove(e.Path); err != nil {
			return err
		}
	}
	after, err := Read(p.Folder, p.Repo.Algorithm)
	if err != nil {
		return err
	}
	if len(after.Broken) > 0 { // of which Run has warned
		p.Warn(fmt.Errorf("an entry could not be read, so all kernel directories and refs of %s are kept", p.Result.ID))
		return nil
	}
	folders, err := p.unusedKernels(after.Entries, nil)
	if err != nil {
		return err
	}
	if err := p.removeKernels(folders); err != nil {
		return err
	}
	return p.dropRefs(old, after)
}

// dropRefs removes the refs of the images that an entry has named, and none names now.
func (p *Plan) dropRefs(old []Entry, after *Scan) error {
	id := p.Result.ID
	kept, err := refs(p.Repo)
	if err != nil {
		return err
	}
	for _, image := range kept[id] {
		named := func(e Entry) bool { return slices.Contains(e.Images, image) }
		switch {
		case image == p.Result.Image || after.Names(image):
		case slices.ContainsFunc(old, named):
			err = dropRef(p.Repo, id, image)
		default:
			p.Warn(fmt.Errorf("images/refs/%s: no entry here names that image: the ref is kept, as it may belong to another boot directory", refOf(id, image)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
