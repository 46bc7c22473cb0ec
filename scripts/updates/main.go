// Command updates measures what an update of an image costs in bytes, requests and time when its
// layers are in the form zstd:chunked: of a pair of images of the shape of a Debian with packages, of which
// some have changed, and of one that was built anew with nothing changed but the times.
//
// Usage: go run ./scripts/updates [-scale PERCENT] [-json FILE] DIR
//
// It is run in the project's folder, uses the tools in bin (make), and needs room for 3 GB in DIR, where the images
// stay for the next run.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	scale := flag.Int("scale", 100, "size of the images in percent of 826 MB")
	out := flag.String("json", "", "write the figures to `FILE` too")
	flag.Parse()
	if flag.NArg() != 1 || *scale < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *scale, *out); err != nil {
		fmt.Fprintln(os.Stderr, "updates:", err)
		os.Exit(1)
	}
}

// figures are what one pull took.
type figures struct {
	Name     string  `json:"name"`
	Whole    int64   `json:"whole-bytes"` // of the layers
	Ideal    int64   `json:"ideal-bytes"` // one range for each gap; 0 if it was not worked out
	Bytes    int64   `json:"bytes"`       // of blobs of layers that came
	Requests int     `json:"requests"`
	Wall     float64 `json:"wall-seconds"`
	CPU      float64 `json:"cpu-seconds"` // of cfs-fetch and cfs-import
	Memory   int64   `json:"cfs-fetch-bytes"`
}

func run(dir string, scale int, out string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	bin, err := filepath.Abs("bin")
	if err != nil {
		return err
	}
	if err := os.Setenv("PATH", bin+":"+os.Getenv("PATH")); err != nil {
		return err
	}
	images, err := makeImages(dir, scale)
	if err != nil {
		return err
	}
	s, err := serve(images)
	if err != nil {
		return err
	}
	b := &runner{dir: dir, server: s}
	var all []figures
	for _, m := range []struct {
		name, to, options string
		shaped            bool
	}{
		{"whole", "v2", "--incremental=never", false},
		{"parts, cost 65536", "v2", "", false},
		{"parts, cost 0", "v2", "--request-cost=0", false},
		{"built anew, cost 65536", "anew", "", false},
		{"whole, 100 Mbit/s, 50 ms", "v2", "--incremental=never", true},
		{"parts, 100 Mbit/s, 50 ms", "v2", "", true},
	} {
		f, err := b.update(m.name, m.to, m.options, m.shaped)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		all = append(all, f)
	}
	// With a cost of 0 each gap between missing contents is left out; only what two requests share is more.
	for i := range all {
		if all[i].Name == "parts, cost 65536" {
			all[i].Ideal = all[i+1].Bytes
		}
	}
	print(all)
	if out == "" {
		return nil
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(text, '\n'), 0o644)
}

func print(all []figures) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "update\tbytes\tof the whole\trequests\twall\tCPU of fetch and import\tmemory of cfs-fetch\t")
	for _, f := range all {
		fmt.Fprintf(w, "%s\t%d\t%.1f %%\t%d\t%.2f s\t%.2f s\t%.0f MB\t\n", f.Name, f.Bytes, 100*float64(f.Bytes)/float64(f.Whole), f.Requests, f.Wall, f.CPU, float64(f.Memory)/1e6)
	}
	w.Flush()
}

// runner pulls images into repositories in a folder.
type runner struct {
	dir    string
	server *server
}

// update pulls v1 into a new repository, then another image, and measures that.
func (b *runner) update(name, to, options string, shaped bool) (figures, error) {
	repo, spool := filepath.Join(b.dir, "run/repo"), filepath.Join(b.dir, "run/spool")
	if err := errors.Join(os.RemoveAll(filepath.Join(b.dir, "run")), os.MkdirAll(filepath.Join(b.dir, "run"), 0o755)); err != nil {
		return figures{}, err
	}
	fetch := func(image, options string) []string {
		return append([]string{"cfs-fetch", "--repo=" + repo, "--spool=" + spool, "--progress=none", "--tls-verify=false", "docker://" + b.server.addr + "/" + image + ":1"}, strings.Fields(options)...)
	}
	link := []string{"sh", "-c", "cfs-mkerofs --repo=\"$1\" --progress=none | cfs-link --repo=\"$1\" --tag \"$2\" >/dev/null", "link", repo}
	var f figures
	pull := func(image, options string) (err error) {
		records := filepath.Join(b.dir, "run/records")
		var fetched, imported used
		begin := time.Now()
		if fetched, err = program(fetch(image, options), "/dev/null", records); err != nil {
			return err
		}
		if imported, err = program([]string{"cfs-import", "--init", "--insecure", "--repo=" + repo, "--progress=none"}, records, records+".imported"); err != nil {
			return err
		}
		f.CPU, f.Memory = (fetched.cpu + imported.cpu).Seconds(), fetched.memory
		if _, err = program(append(link, image), records+".imported", "/dev/null"); err != nil {
			return err
		}
		f.Wall = time.Since(begin).Seconds()
		return nil
	}
	if err := pull("v1", ""); err != nil {
		return f, err
	}
	b.server.reset(shaped)
	err := pull(to, options)
	f.Name, f.Whole = name, b.server.layers(to)
	f.Bytes, f.Requests = b.server.counted()
	return f, err
}

// program runs a program, and returns what it used.
func program(words []string, stdin, stdout string) (u used, err error) {
	in, err := os.Open(stdin)
	if err != nil {
		return u, err
	}
	defer in.Close()
	out, err := os.Create(stdout)
	if err != nil {
		return u, err
	}
	c := exec.Command(words[0], words[1:]...)
	c.Stdin, c.Stdout, c.Stderr = in, out, os.Stderr
	if err := errors.Join(c.Run(), out.Close()); err != nil {
		return u, fmt.Errorf("%s: %w", words[0], err)
	}
	return usedBy(c.ProcessState), nil
}
