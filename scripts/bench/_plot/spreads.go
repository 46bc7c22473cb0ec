package main

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// spreads are lines from the least to the most, in the middle of bars that are moved by an
// offset. The error bars of the library cannot be moved.
type spreads struct {
	bars   []spread
	offset vg.Length
}

// Plot draws the lines.
func (s spreads) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, b := range s.bars {
		at := y(float64(i)) + s.offset
		c.StrokeLine2(plotter.DefaultLineStyle, x(b.Least), at, x(b.Most), at)
	}
}

// DataRange is what the axes must hold.
func (s spreads) DataRange() (xmin, xmax, ymin, ymax float64) {
	for _, b := range s.bars {
		xmax = max(xmax, b.Most)
	}
	return 0, xmax, -0.5, float64(len(s.bars)) - 0.5
}
