package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// print writes a result for people: medians, then ratios.
func (r *result) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s (%d entries)\n", r.Name, r.Title, r.Entries)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\twall s\tuser s\tsys s\tpeak MB\tµs CPU/entry\tbytes/entry\t")
	for _, p := range r.Programs {
		wall := p.median(usage.wall)
		user := p.median(func(u usage) float64 { return u.User })
		sys := p.median(func(u usage) float64 { return u.Sys })
		cost, bytes := p.perEntry(r.Entries)
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%.3f\t%s\t%.2f\t%s\t\n", p.label(), wall, user, sys, megabytes(p.Peak), cost, count(bytes))
	}
	t.Flush()
	for _, q := range r.Ratios {
		fmt.Fprintf(w, "  to %s: wall %s, CPU %s, memory %s\n", q.To, q.Wall.list(), q.CPU.list(), number(q.Peak))
	}
	r.Floor.print(w, "limit")
	r.Parts.print(w, "longest step alone")
}

// label names a program, and what it is if it is none.
func (p program) label() string {
	switch p.Kind {
	case kindLimit:
		return "limit: " + p.Name
	case kindPart:
		return "part: " + p.Name
	}
	return p.Name
}

// perEntry returns microseconds of CPU time and bytes at the peak for each entry. What an
// empty input takes is in both.
func (p program) perEntry(entries int) (micros, bytes float64) {
	return p.median(usage.cpu) * 1e6 / float64(entries), float64(p.Peak) / float64(entries)
}

// table writes the table that goes into docs/performance.md, in Markdown.
func (r *results) table(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "\nIn Markdown:\n\n%s, %d processors, %s, Linux %s, scratch on %s, scale %g, %d pairs, load %s at the start:\n\n",
		m.CPU, m.Processors, m.Memory, m.Kernel, m.FileSystem, r.Scale, r.Pairs, m.Load)
	fmt.Fprintln(w, "| job | beside | wall s, ours / other | wall ratio (spread) | CPU ratio (spread) | memory ratio | wall to the limit | wall to the longest step alone |\n|---|---|---|---|---|---|---|---|")
	for _, j := range r.Jobs {
		if j.Growth == "" {
			j.rows(w)
		}
	}
	r.growth(w)
}

// growth writes the table of what an entry costs: on the average, and each one more than in the
// row before of the same program, where what it takes to start is not in it.
func (r *results) growth(w io.Writer) {
	head := "\n| growth | entries | program | µs CPU an entry | each more | bytes an entry | each more |\n|---|---|---|---|---|---|---|\n"
	type point struct{ entries, micros, bytes float64 }
	last := map[string]point{}
	for _, j := range r.Jobs {
		for _, p := range j.Programs {
			if j.Growth == "" {
				continue
			}
			micros, bytes := p.perEntry(j.Entries)
			now := point{float64(j.Entries), micros * float64(j.Entries), bytes * float64(j.Entries)}
			moreTime, moreBytes := "-", "-"
			if before, ok := last[j.Growth+p.Name]; ok && now.entries > before.entries {
				more := now.entries - before.entries
				moreTime = fmt.Sprintf("%.2f", (now.micros-before.micros)/more)
				moreBytes = count((now.bytes - before.bytes) / more)
			}
			last[j.Growth+p.Name] = now
			fmt.Fprintf(w, "%s| %s | %d | %s | %.2f | %s | %s | %s |\n", head, j.Growth, j.Entries, p.Name, micros, moreTime, count(bytes), moreBytes)
			head = ""
		}
	}
}

// rows writes a row for each other program, or one if there is none.
func (r *result) rows(w io.Writer) {
	near := r.Floor.near() + " | " + r.Parts.near()
	ours := r.Programs[0].median(usage.wall)
	for _, q := range r.Ratios {
		for _, p := range r.Programs {
			if p.Name == q.To && p.Kind == kindOther {
				fmt.Fprintf(w, "| %s | %s | %.2f / %.2f | %s | %s | %s | %s |\n", r.Title, q.To, ours, p.median(usage.wall), q.Wall, q.CPU, number(q.Peak), near)
			}
		}
	}
	if len(r.Ratios) == 0 {
		fmt.Fprintf(w, "| %s | - | %.2f / - | - | - | - | %s |\n", r.Title, ours, near)
	}
}

func (f *floor) print(w io.Writer, name string) {
	if f != nil {
		fmt.Fprintf(w, "  to the %s, %.3f s (%s): wall %s\n", name, f.Seconds, f.By, f.Near.list())
	}
}

func (f *floor) near() string {
	if f == nil {
		return "-"
	}
	return f.Near.String()
}

func (s spread) String() string {
	return fmt.Sprintf("%.2f (%.2f-%.2f)", s.Median, s.Least, s.Most)
}

// list is String with the ratio of each pair.
func (s spread) list() string { return fmt.Sprintf("%s %.2f", s, s.Each) }

func megabytes(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(n)/1e6)
}

func count(n float64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", n)
}

func number(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", x)
}
