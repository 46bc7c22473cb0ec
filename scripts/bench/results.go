package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// results are what the JSON has. Times are seconds, memory is bytes.
type results struct {
	Machine machine
	Scale   float64
	Pairs   int
	Jobs    []result
}

// result is that of a job.
type result struct {
	Name, Title string
	Growth      string `json:",omitempty"` // what is measured by the number of entries
	Entries     int
	Programs    []program
	Ratios      []ratio // ours to each other program
	Floor       *floor  `json:",omitempty"`
	Parts       *floor  `json:",omitempty"` // the longest of our steps, alone
}

// program is a contestant with what it took, round by round.
type program struct {
	Name, Kind, Command string
	Largest             bool `json:",omitempty"` // a limit that no division among processors beats
	Rounds              []usage
	Peak                int64 // of all its processes, each at its peak; 0 if that was not measured
}

// ratio compares our tools with another program.
type ratio struct {
	To        string
	Wall, CPU spread
	Peak      float64 // 0 if it was not measured
}

// spread is what a ratio was in the rounds.
type spread struct {
	Median, Least, Most float64
	Each                []float64
}

// floor is a time that we cannot be faster than.
type floor struct {
	Seconds float64
	By      string
	Near    spread // our wall time to it
}

// do runs a job, or returns nil if it cannot be run here.
func (b *bench) do(j job) (*result, error) {
	t, err := j.prepare(b)
	if err != nil || t == nil {
		return nil, err
	}
	fmt.Fprintf(b.stderr, "bench: runs %s\n", j.name)
	r := &result{Name: j.name, Title: j.title, Growth: j.growth, Entries: t.entries}
	for _, c := range t.runs {
		r.Programs = append(r.Programs, program{Name: c.name, Kind: c.kind, Command: c.code, Largest: c.largest})
	}
	if err := b.rounds(t, r); err != nil {
		return nil, err
	}
	r.compare()
	return r, nil
}

// rounds runs all contestants once for their memory, which warms up caches too, then in turn
// as often as there are pairs: forth, and back the next time, so that no place in the order has
// an advantage.
func (b *bench) rounds(t *task, r *result) error {
	var want []byte
	for i, c := range t.runs {
		u, made, err := b.once(c, c.kind != kindLimit)
		if err != nil {
			return err
		}
		r.Programs[i].Peak = u.Peak
		if want == nil {
			want = made
		}
		if c.result != "" && c.kind != kindPart && !bytes.Equal(made, want) {
			return fmt.Errorf("%s makes something else than %s:\n%s%s", c.name, t.runs[0].name, made, want)
		}
	}
	order := make([]int, len(t.runs))
	for i := range order {
		order[i] = i
	}
	for range b.options.pairs {
		for _, i := range order {
			u, _, err := b.once(t.runs[i], false)
			if err != nil {
				return err
			}
			r.Programs[i].Rounds = append(r.Programs[i].Rounds, u)
		}
		slices.Reverse(order)
	}
	return nil
}

// once runs a contestant in an empty folder, with nothing of others left to be written to disk, and
// either measures its time or its memory. It returns what it made.
func (b *bench) once(c contestant, memory bool) (u usage, made []byte, err error) {
	dir := b.path("run/work")
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		return u, nil, err
	}
	if c.before != "" {
		before := command{c.before, c.operands, c.env}
		if _, err := b.measure(before, dir, b.timed()); err != nil {
			return u, nil, err
		}
	}
	if err := syncFS(dir); err != nil {
		return u, nil, err
	}
	if memory {
		u.Peak, err = b.peak(c.command, dir)
	} else {
		u, err = b.measure(c.command, dir, b.timed())
	}
	if err != nil || c.result == "" || !memory {
		return u, nil, err
	}
	look := exec.Command("sh", "-euc", c.result)
	look.Dir = dir
	if made, err = look.Output(); err != nil {
		err = fmt.Errorf("%s: %s: %w", c.name, c.result, err)
	}
	return u, made, err
}

// compare computes the ratios and the floors.
func (r *result) compare() {
	our := r.Programs[0]
	for _, p := range r.Programs {
		if p.Kind != kindOther {
			continue
		}
		q := ratio{To: p.Name, Wall: spreadOf(our, p, usage.wall), CPU: spreadOf(our, p, usage.cpu)}
		if our.Peak > 0 && p.Peak > 0 {
			q.Peak = float64(our.Peak) / float64(p.Peak)
		}
		r.Ratios = append(r.Ratios, q)
	}
	r.Floor, r.Parts = r.limit(), r.parts()
}

// limit is what the limits of the machine leave: the larger of the work that cannot be divided,
// and all work divided by the processors. It is nil if no limit was measured.
func (r *result) limit() *floor {
	f, all, names := floor{}, 0.0, []string{}
	for _, p := range r.Programs {
		switch {
		case p.Kind != kindLimit:
		case p.Largest:
			f.atLeast(p)
		default:
			all += p.median(usage.cpu) / float64(runtime.NumCPU())
			names = append(names, p.Name)
		}
	}
	if all > f.Seconds {
		f = floor{Seconds: all, By: fmt.Sprintf("%s on %d processors", strings.Join(names, " + "), runtime.NumCPU())}
	}
	return f.compare(r.Programs[0])
}

// parts is the longest of our steps, which would run at once at best. It is nil if none ran alone.
func (r *result) parts() *floor {
	var f floor
	for _, p := range r.Programs {
		if p.Kind == kindPart {
			f.atLeast(p)
		}
	}
	return f.compare(r.Programs[0])
}

// atLeast raises the floor to the wall time of a program.
func (f *floor) atLeast(p program) {
	if wall := p.median(usage.wall); wall > f.Seconds {
		f.Seconds, f.By = wall, p.Name
	}
}

// compare sets how near a program is to the floor, unless there is none.
func (f floor) compare(p program) *floor {
	if f.By == "" {
		return nil
	}
	var near []float64
	for _, u := range p.Rounds {
		near = append(near, u.Wall/f.Seconds)
	}
	f.Near = newSpread(near)
	return &f
}

// spreadOf is the ratio of two programs round by round.
func spreadOf(our, their program, of func(usage) float64) spread {
	var each []float64
	for i, u := range our.Rounds {
		each = append(each, of(u)/max(of(their.Rounds[i]), 1e-6))
	}
	return newSpread(each)
}

func newSpread(each []float64) spread {
	return spread{median(each), slices.Min(each), slices.Max(each), each}
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// median is that of some part of what a program took.
func (p program) median(of func(usage) float64) float64 {
	var all []float64
	for _, u := range p.Rounds {
		all = append(all, of(u))
	}
	return median(all)
}
