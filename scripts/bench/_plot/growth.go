package main

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// growth draws what an entry costs.
func (r results) growth(dir string) error {
	time := func(p program) float64 {
		var all []float64
		for _, u := range p.Rounds {
			all = append(all, 1e6*(u.User+u.Sys))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	memory := func(p program) float64 { return p.Peak }
	return errors.Join(
		r.curves(dir, "bench-growth-time.svg", "CPU time of an entry, µs", time),
		r.curves(dir, "bench-growth-memory.svg", "Peak memory of an entry, bytes", memory))
}

// curves draws a line for each program that does each thing, both axes logarithmic. Things have
// colours, and other programs than ours are dashed.
func (r results) curves(dir, name, title string, of func(program) float64) error {
	lines := map[[2]string]plotter.XYs{} // by thing and program
	var things []string
	for _, j := range r.Jobs {
		for i, p := range j.Programs {
			if cost := of(p) / float64(j.Entries); j.Growth != "" && cost > 0 {
				key := [2]string{j.Growth, p.Name}
				lines[key] = append(lines[key], plotter.XY{X: float64(j.Entries), Y: cost})
			}
			if j.Growth != "" && i == 0 && !slices.Contains(things, j.Growth) {
				things = append(things, j.Growth)
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	p := plot.New()
	p.Title.Text, p.X.Label.Text = title, "entries"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	compare := func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }
	for _, key := range slices.SortedFunc(maps.Keys(lines), compare) {
		line, points, err := plotter.NewLinePoints(lines[key])
		if err != nil {
			return err
		}
		colour := plotutil.Color(slices.Index(things, key[0]))
		line.Color, points.Color = colour, colour
		if !strings.HasPrefix(key[1], "cfs-") {
			line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		}
		p.Add(line, points)
		p.Legend.Add(key[0]+", "+key[1], line, points)
	}
	return save(p, 14*vg.Centimeter, dir, name)
}
