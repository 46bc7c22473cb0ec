package main

import (
	"fmt"
	"slices"
)

// job is what several programs do of the same input.
type job struct {
	name, title string
	growth      string // what grows, for those that are measured by the number of entries
	prepare     func(*bench) (*task, error)
}

// task is a job whose input is there. A nil one is skipped; what is missing was said.
type task struct {
	entries int // names in the input
	runs    []contestant
}

// Whose a contestant is.
const (
	kindOurs  = "ours"
	kindOther = "other"
	kindLimit = "limit"
	kindPart  = "part" // of our tools, alone
)

// contestant is a program with its command. All commands run in a folder of their own, which is
// emptied before, and filled by before.
type contestant struct {
	name, kind string
	before     string // shell code with the same operands, whose time does not count
	command
	largest bool   // a limit that no division among processors beats
	result  string // shell code that prints what all programs must make alike
}

// jobs are all that there are, in the order in which they run.
func jobs() []job {
	list := []job{
		{name: "pull-gzip", title: "first pull, gzip layers", prepare: pullOf("system", "gzip")},
		{name: "pull-zstd", title: "first pull, zstd layers", prepare: pullOf("system", "zstd")},
		{name: "pull-plain", title: "first pull, layers not compressed", prepare: pullOf("system", "plain")},
		{name: "pull-tiny", title: "first pull, tiny files", prepare: pullOf("tiny", "gzip")},
		{name: "pull-huge", title: "first pull, huge files", prepare: pullOf("huge", "gzip")},
		{name: "pull-again", title: "pull again, nothing new", prepare: again},
		{name: "registry", title: "docker:// from a registry on loopback", prepare: fromRegistry("system", 0)},
		{name: "registry-slow", title: "docker:// at 100 MB/s, one layer of 80 %", prepare: fromRegistry("slow", 100e6)},
		{name: "fetch", title: "blobs from a registry into a layout", prepare: fetch},
		{name: "check", title: "check against fsck", prepare: check},
		{name: "gc-dry-run", title: "collection, dry run", prepare: gc("--dry-run")},
		{name: "gc", title: "collection of half of the images", prepare: gc("")},
		{name: "erofs", title: "EROFS from a dumpfile", prepare: erofs(1_000_000)},
		{name: "tree", title: "EROFS digest of a directory", prepare: tree},
	}
	return append(list, growing()...)
}

// choose returns the jobs with these names, or all.
func choose(names []string) (chosen []job, err error) {
	all := jobs()
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		i := slices.IndexFunc(all, func(j job) bool { return j.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no job %q: -list lists them", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// here keeps the contestants whose programs are there.
func (b *bench) here(list ...contestant) []contestant {
	return slices.DeleteFunc(list, func(c contestant) bool {
		return c.kind == kindOther && b.others[c.name] == ""
	})
}

const (
	ourPull   = `cfs-pull --progress none --init --insecure --repo repo "oci:$1:latest" bench`
	theirPull = `cfsctl init --insecure --algorithm fsverity-sha512-12 repo && cfsctl --repo repo oci pull "oci:$1:latest" bench`
	objects   = `cd repo/objects && find . -type f | sort | sha256sum`
	images    = `ls repo/images | grep -E '^[0-9a-f]{64,}$'` // the digests
)

// pulls are the contestants of a first pull.
func (b *bench) pulls(layout string) []contestant {
	in := []string{layout}
	return b.here(
		contestant{name: "cfs-pull", kind: kindOurs, command: command{code: ourPull, operands: in}, result: images},
		contestant{name: "cfsctl", kind: kindOther, command: command{code: theirPull, operands: in}, result: images},
	)
}

func pullOf(name, compression string) func(*bench) (*task, error) {
	return func(b *bench) (*task, error) {
		s := b.shape(name)
		layout, err := b.layout(name, s, compression)
		if err != nil {
			return nil, err
		}
		limits, err := b.pullLimits(name, s, layout, compression)
		return &task{entries: s.files(), runs: append(b.pulls(layout), limits...)}, err
	}
}

func again(b *bench) (*task, error) {
	s := b.shape("system")
	layout, err := b.layout("system", s, "gzip")
	if err != nil {
		return nil, err
	}
	runs := b.pulls(layout)
	for i := range runs {
		runs[i].before = runs[i].code
		if runs[i].kind == kindOther {
			runs[i].code = `cfsctl --repo repo oci pull "oci:$1:latest" bench`
		}
	}
	return &task{entries: s.files(), runs: runs}, nil
}

func check(b *bench) (*task, error) {
	s := b.shape("system")
	repo, err := b.repo("system", s)
	if err != nil {
		return nil, err
	}
	return &task{entries: s.files(), runs: append(b.checks(repo), b.limit("verity", false, repo+"/objects"))}, nil
}

func (b *bench) checks(repo string) []contestant {
	in := []string{repo}
	return b.here(
		contestant{name: "cfs-gc", kind: kindOurs, command: command{code: `cfs-gc check --repo "$1"`, operands: in}},
		contestant{name: "cfsctl", kind: kindOther, command: command{code: `cfsctl --repo "$1" fsck`, operands: in}},
	)
}

func gc(option string) func(*bench) (*task, error) {
	return func(b *bench) (*task, error) {
		repo, err := b.manyImages()
		if err != nil {
			return nil, err
		}
		return &task{entries: b.scaled(10_000) + b.scaled(50)*b.scaled(1_200), runs: b.collections(repo, option, option)}, nil
	}
}

// collections are those of a copy of a repository.
func (b *bench) collections(repo, our, their string) []contestant {
	return b.here(
		contestant{name: "cfs-gc", kind: kindOurs, before: `cp -a "$1" repo`, command: command{code: `cfs-gc --repo repo $2`, operands: []string{repo, our}}, result: objects},
		contestant{name: "cfsctl", kind: kindOther, before: `cp -a "$1" repo`, command: command{code: `cfsctl --repo repo gc $2`, operands: []string{repo, their}}, result: objects},
	)
}

func erofs(entries int) func(*bench) (*task, error) {
	return func(b *bench) (*task, error) {
		n := b.scaled(entries)
		dump, err := b.dump(n)
		return &task{entries: n, runs: b.dumps(dump)}, err
	}
}

func (b *bench) dumps(dump string) []contestant {
	in := []string{dump}
	const image = "sha256sum <image"
	return b.here(
		contestant{name: "cfs-mkerofs", kind: kindOurs, command: command{code: `cfs-mkerofs --erofs-version auto --dumpfile "$1" -o image`, operands: in}, result: image},
		contestant{name: "mkcomposefs", kind: kindOther, command: command{code: `mkcomposefs --from-file "$1" image`, operands: in}, result: image},
		contestant{name: "cfsctl", kind: kindOther, command: command{code: `cfsctl mkcomposefs --from-file "$1" image`, operands: in}, result: image},
	)
}

func tree(b *bench) (*task, error) {
	s := b.shape("system")
	dir, err := b.tree("system", s)
	if err != nil {
		return nil, err
	}
	in := []string{dir}
	runs := b.here(
		contestant{name: "cfs-mkerofs", kind: kindOurs, command: command{code: `cfs-mkerofs --tree "$1"`, operands: in}, result: "cat stdout"},
		contestant{name: "cfsctl", kind: kindOther, command: command{code: `cfsctl --no-repo compute-id "$1"`, operands: in}, result: "cat stdout"},
	)
	return &task{entries: s.files(), runs: append(runs, b.limit("verity", false, dir))}, nil
}

// growing are the jobs that show how cost grows with the number of entries.
func growing() (list []job) {
	for _, times := range []int{1, 10, 100} {
		name := fmt.Sprintf("@%dx", times)
		s := func(b *bench) shape { return split(b.scaled(3_000)*times, tiny, 9, 55, 25, 15, 5) }
		input := fmt.Sprintf("grown-%d", times)
		list = append(list,
			job{"pull" + name, fmt.Sprintf("pull, %d×", times), "pull", func(b *bench) (*task, error) {
				layout, err := b.layout(input, s(b), "gzip")
				return &task{entries: s(b).files(), runs: b.pulls(layout)}, err
			}},
			job{"mkerofs" + name, fmt.Sprintf("EROFS from a dump, %d×", times), "mkerofs", func(b *bench) (*task, error) {
				n := max(5, b.scaled(3_000)*times)
				dump, err := b.dump(n)
				return &task{entries: n, runs: b.dumps(dump)}, err
			}},
			job{"gc" + name, fmt.Sprintf("collection of all, %d×", times), "gc", func(b *bench) (*task, error) {
				repo, err := b.repo(input, s(b))
				runs := b.collections(repo, "--allow-empty", "")
				for i := range runs {
					runs[i].before += ` && cfs-link untag --repo repo bench`
				}
				return &task{entries: s(b).files(), runs: runs}, err
			}},
			job{"check" + name, fmt.Sprintf("check, %d×", times), "check", func(b *bench) (*task, error) {
				repo, err := b.repo(input, s(b))
				return &task{entries: s(b).files(), runs: b.checks(repo)}, err
			}},
		)
	}
	return list
}
