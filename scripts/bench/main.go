// Bench compares the tools with other programs for the same task, and with the limits of the
// machine.
//
//	go run ./scripts/bench [option]... [JOB]...
//
// It generates its inputs, always the same bytes, and runs our tools and whichever of cfsctl,
// mkcomposefs and skopeo are in PATH in turn on the same input. It prints wall time, CPU time and
// peak memory of each, the ratios pair by pair, and how close we are to the limits of the
// machine, measured in the same rounds. docs/performance.md explains the output.
//
// Without a JOB it runs all. -list lists them.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// options are what the command line says.
type options struct {
	list, small, keep bool
	scale             float64
	pairs             int
	dir, tools        string
	json, plots       string
}

func parse(args []string) (o options, jobs []string, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.list, "list", false, "list the jobs")
	f.BoolVar(&o.small, "small", false, "only try that it works: -scale 0.001 -pairs 1")
	f.Float64Var(&o.scale, "scale", 1, "size of the inputs, 1 for an image of about 1 GB and 30,000 files")
	f.IntVar(&o.pairs, "pairs", 5, "how often each program runs")
	f.StringVar(&o.dir, "dir", "", "scratch folder, whose inputs are used again; by default a new one in TMPDIR that is removed")
	f.BoolVar(&o.keep, "keep", false, "do not remove the scratch folder")
	f.StringVar(&o.tools, "tools", "bin", "folder of our tools")
	f.StringVar(&o.json, "json", "", "file for the results as JSON")
	f.StringVar(&o.plots, "plots", "", "folder for plots of the results; with -json")
	if err := f.Parse(args); err != nil {
		return o, nil, err
	}
	if o.small {
		o.scale, o.pairs = 0.001, 1
	}
	if o.scale <= 0 || o.pairs < 1 {
		return o, nil, fmt.Errorf("-scale and -pairs must be positive")
	}
	if o.plots != "" && o.json == "" {
		return o, nil, fmt.Errorf("-plots needs -json: plots are drawn of that")
	}
	return o, f.Args(), nil
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "limit" {
		end(limit(os.Args[2:]))
	}
	o, names, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	jobs, err := choose(names)
	if err == nil && o.list {
		for _, j := range jobs {
			fmt.Printf("%-14s %s\n", j.name, j.title)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err == nil {
		err = run(ctx, o, jobs)
	}
	end(err)
}

// end exits with the status that an error means.
func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, o options, jobs []job) (err error) {
	b, err := newBench(ctx, o, os.Stderr)
	if err != nil {
		return err
	}
	defer func() {
		if e := b.close(o); err == nil {
			err = e
		}
	}()
	results := results{Machine: describe(b), Scale: o.scale, Pairs: o.pairs}
	results.Machine.print(os.Stdout)
	for _, j := range jobs {
		r, err := b.do(j)
		if err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		if r == nil {
			continue
		}
		r.print(os.Stdout)
		results.Jobs = append(results.Jobs, *r)
	}
	results.table(os.Stdout)
	if o.json == "" {
		return nil
	}
	if err := results.save(o.json); err != nil || o.plots == "" {
		return err
	}
	return b.plot(o.json, o.plots)
}

// plot draws the results. The program for that is a module of its own.
func (b *bench) plot(results, dir string) (err error) {
	if results, err = filepath.Abs(results); err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	return b.sh(`go run -C scripts/bench/_plot . "$1" "$2"`, results, dir)
}

// save writes the results as JSON.
func (r *results) save(name string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}

// bench is where the jobs run.
type bench struct {
	ctx     context.Context
	options options
	dir     string            // scratch
	self    string            // this program, which is also that of the limits
	tools   string            // the folder of ours
	others  map[string]string // programs of others that are here: path by name
	stderr  io.Writer
	served  *registry // once a job has needed it
}

func newBench(ctx context.Context, o options, stderr io.Writer) (*bench, error) {
	b := &bench{ctx: ctx, options: o, stderr: stderr}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	// What outlives the script that started it becomes a child of this process: see wait.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("prctl: %w", err)
	}
	if b.tools, err = filepath.Abs(o.tools); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(b.tools, "cfs-pull")); err != nil {
		return nil, fmt.Errorf("%w: run make first, or say -tools DIR", err)
	}
	if o.dir == "" {
		b.dir, err = os.MkdirTemp("", "cfs-bench-")
	} else if b.dir, err = filepath.Abs(o.dir); err == nil {
		err = os.MkdirAll(b.dir, 0o755)
	}
	if err != nil {
		return nil, err
	}
	return b, b.findOthers()
}

// close stops what runs, and removes the scratch folder if it was made for this run.
func (b *bench) close(o options) error {
	b.served.stop()
	if err := os.RemoveAll(b.path("run")); err != nil || o.keep || o.dir != "" {
		return err
	}
	return os.RemoveAll(b.dir)
}

// path is a file in the scratch folder.
func (b *bench) path(name ...string) string {
	return filepath.Join(append([]string{b.dir}, name...)...)
}
