package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"cfs/lib/bootloader"
	"cfs/lib/esp"
	"cfs/lib/gc"
	"cfs/lib/mount"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/terminal"
	"cfs/lib/tool"
)

// collect removes what nothing refers to, and says how much that was.
func (o *options) collect() error {
	if len(o.Operands) > 0 {
		return o.Unexpected()
	}
	if err := o.Check(tool.Rules{{If: "verbose", Not: "json"}}); err != nil {
		return err
	}
	r, err := o.openExclusive(!o.dryRun)
	if err != nil {
		return err
	}
	defer r.Close()
	mounted, err := mount.Mounted()
	if err != nil {
		return err
	}
	named, err := o.bootRoots(r)
	if err != nil {
		return err
	}
	k := gc.Collector{Repo: r, Mounts: *mounted, Named: named, DropMounts: o.dropMounts, Keep: o.keep, AllowEmpty: o.allowEmpty, DryRun: o.dryRun,
		Warn: func(err error) { o.Warn("warning: %v", err) }}
	if o.verbose {
		k.Removing = listed
	}
	result, err := k.Run()
	if errors.Is(err, gc.ErrNoRoots) {
		return tool.Hint(err, "--allow-empty does so")
	}
	if err != nil {
		return err
	}
	if o.JSON {
		return o.writeJSON(result, k.Kept())
	}
	if o.dryRun {
		if _, err := os.Stdout.WriteString("Dry run (no files deleted):\n"); err != nil {
			return err
		}
	}
	if err := result.WriteText(os.Stdout); err != nil {
		return err
	}
	for _, ref := range k.Kept() {
		if _, err := fmt.Println("Kept: " + terminal.Name(ref)); err != nil {
			return err
		}
	}
	return nil
}

// listed prints a line about something that is going to be removed, of a size if it is an object.
func listed(path string, size int64) error {
	line := terminal.Name(path)
	if size >= 0 {
		line += fmt.Sprintf("\t%d", size)
	}
	_, err := fmt.Println(line)
	return err
}

// writeJSON writes what was removed, or would be, as a JSON object.
func (o *options) writeJSON(result gc.Result, refs []string) error {
	kept := []record.Text{} // never null
	for _, ref := range refs {
		kept = append(kept, record.Text(ref))
	}
	return record.WriteJSON(os.Stdout, struct {
		Version int  `json:"v"`
		DryRun  bool `json:"dry_run"`
		gc.Result
		Kept []record.Text `json:"kept"`
	}{record.JSONVersion, o.dryRun, result, kept})
}

// bootRoots returns the images that entries in the folders of boot loaders name, whoever
// installed them. A folder or an entry that cannot be read may name any image.
func (o *options) bootRoots(r *repo.Repo) (named []gc.Named, err error) {
	for _, dir := range o.bootdirs.Value() {
		scan, err := readBoot(dir, r)
		if err != nil {
			return nil, err
		}
		for _, odd := range scan.Warnings {
			o.Warn("warning: %s/%s", terminal.Name(dir), terminal.Line(odd.Error()))
		}
		if len(scan.Broken) > 0 {
			return nil, fmt.Errorf("%s: cannot determine which images boot, nothing was removed: %s", dir, errors.Join(scan.Broken...)) // not the repository is damaged
		}
		for _, e := range scan.Entries {
			for _, image := range e.Images {
				named = append(named, gc.Named{Image: image, By: dir + "/" + e.Path})
			}
		}
	}
	return named, nil
}

func readBoot(dir string, r *repo.Repo) (*bootloader.Scan, error) {
	folder, err := esp.Open(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	if folder.Missing() {
		return nil, fmt.Errorf("boot directory %s: %w", dir, fs.ErrNotExist)
	}
	return bootloader.Read(folder, r.Algorithm)
}

// openExclusive opens the repository, with an exclusive lock if something is to be removed.
func (o *options) openExclusive(remove bool) (*repo.Repo, error) {
	r, err := o.OpenRepo(remove)
	if err != nil || !remove {
		return r, err
	}
	if err := r.Writable(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}
