// Plot draws the results of scripts/bench:
//
//	go run . RESULTS.json DIR
//
// It writes SVG files into a directory: bench-ratios.svg with our time compared to that of others,
// bench-limits.svg with our time compared to the limits of the machine, and bench-growth-time.svg and
// bench-growth-memory.svg with the cost of an entry for inputs of several sizes. Empty plots are
// not written. It is a separate module, so that the tools do not depend on its dependencies.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// results are what is drawn of the JSON.
type results struct {
	Jobs []job
}

type job struct {
	Name, Title, Growth string
	Entries             int
	Programs            []program
	Ratios              []struct {
		To        string
		Wall, CPU spread
	}
	Floor *struct{ Near spread }
}

type program struct {
	Name   string
	Rounds []struct{ User, Sys float64 }
	Peak   float64
}

type spread struct{ Median, Least, Most float64 }

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: plot RESULTS.json DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(name, dir string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return errors.Join(os.MkdirAll(dir, 0o755), r.ratios(dir), r.limits(dir), r.growth(dir))
}

// save writes a plot of some height, with a margin: the library lets labels go over the edge.
func save(p *plot.Plot, height vg.Length, dir, name string) (err error) {
	const margin = 14
	c := vgsvg.New(18*vg.Centimeter, height)
	p.Draw(draw.Crop(draw.New(c), margin, -margin, margin, -margin))
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	_, err = c.WriteTo(f)
	return errors.Join(err, f.Close())
}
