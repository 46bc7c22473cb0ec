package main

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

var (
	blue   = color.RGBA{0x33, 0x66, 0xaa, 0xff}
	orange = color.RGBA{0xdd, 0x88, 0x33, 0xff}
)

// series are bars of one colour, one for each label.
type series struct {
	name string
	fill color.Color
	bars []spread
}

// ratios draws wall and CPU time of ours beside others, the first job on top.
func (r results) ratios(dir string) error {
	wall, cpu := series{name: "wall", fill: blue}, series{name: "CPU", fill: orange}
	var labels []string
	for i := len(r.Jobs) - 1; i >= 0; i-- {
		for _, q := range r.Jobs[i].Ratios {
			if r.Jobs[i].Growth == "" {
				labels = append(labels, r.Jobs[i].Name+" / "+q.To)
				wall.bars, cpu.bars = append(wall.bars, q.Wall), append(cpu.bars, q.CPU)
			}
		}
	}
	return bars(dir, "bench-ratios.svg", "Time of ours divided by that of others, median and spread", labels, cpu, wall)
}

// limits draws the wall time of ours beside the limits of the machine.
func (r results) limits(dir string) error {
	near := series{name: "wall", fill: blue}
	var labels []string
	for i := len(r.Jobs) - 1; i >= 0; i-- {
		if f := r.Jobs[i].Floor; f != nil && r.Jobs[i].Growth == "" {
			labels, near.bars = append(labels, r.Jobs[i].Name), append(near.bars, f.Near)
		}
	}
	return bars(dir, "bench-limits.svg", "Wall time of ours divided by the limit of the machine, median and spread", labels, near)
}

// bars draws horizontal bars with their spread, and a line at 1.
func bars(dir, name, title string, labels []string, all ...series) error {
	if len(labels) == 0 {
		return nil
	}
	const width = 8
	p := plot.New()
	p.Title.Text = title
	p.X.Min = 0
	p.NominalY(labels...)
	p.Legend.Top, p.Legend.YOffs = true, vg.Points(18) // beside the title: bars may be as wide as the plot
	for i, s := range all {
		if err := add(p, s, vg.Points(width), vg.Points(width*(float64(i)-float64(len(all)-1)/2))); err != nil {
			return err
		}
	}
	even, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(len(labels)) - 0.5}})
	if err != nil {
		return err
	}
	even.Dashes = []vg.Length{vg.Points(3), vg.Points(3)}
	p.Add(plotter.NewGrid(), even)
	return save(p, vg.Points(90+30*float64(len(labels))), dir, name)
}

func add(p *plot.Plot, s series, width, offset vg.Length) error {
	var values plotter.Values
	for _, b := range s.bars {
		values = append(values, b.Median)
	}
	chart, err := plotter.NewBarChart(values, width)
	if err != nil {
		return err
	}
	chart.Horizontal, chart.Offset, chart.Color, chart.LineStyle.Width = true, offset, s.fill, 0
	p.Add(chart, spreads{s.bars, offset})
	p.Legend.Add(s.name, chart)
	return nil
}
