package progress

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"cfs/lib/terminal"
)

// Counter shows how far a stage is that learns only while it works what there is to do: on a
// terminal on one line, which comes when the stage has worked for a while and goes with it, else
// as lines from time to time.
type Counter struct {
	printer  *Printer
	name     string             // of the stage, for people
	unit     func(int64) string // writes a number of what is counted
	mode     Mode
	finished chan struct{}
	stopped  sync.WaitGroup

	mu          sync.Mutex
	parts       map[string]*part
	start       time.Time // of the first part, or since when something is done
	done, total int64     // total is 0 if that is not known
	what        string    // is done that is not counted, "" if nothing
	since       time.Time // when that began
}

// part is something that is done, of so much.
type part struct{ done, total int64 }

const (
	patience = 500 * time.Millisecond // before a line is drawn
	redraw   = 200 * time.Millisecond
)

// Bytes and Entries write numbers of a Counter.
var (
	Bytes   = size
	Entries = func(n int64) string {
		if n == 1 {
			return "1 entry"
		}
		return fmt.Sprintf("%d entries", n)
	}
)

// Counter returns a Counter that prints in the mode of p until it is closed.
func (p *Printer) Counter(name string, unit func(int64) string) *Counter {
	c := &Counter{printer: p, name: name, unit: unit, mode: p.Mode, finished: make(chan struct{}), parts: map[string]*part{}}
	interval := every
	if c.mode == Auto {
		c.mode = Plain
		if terminal.IsDrawable(p.Out) {
			c.mode, interval = bars, redraw
		}
	}
	if c.mode != None {
		c.stopped.Go(func() { c.run(interval) })
	}
	return c
}

// Expect says how much there is of a part. It may be said again.
func (c *Counter) Expect(name string, total int64) {
	if c == nil || total < 0 {
		return
	}
	c.update(name, func(p *part) { p.total = total })
}

// Set says how much of a part is done.
func (c *Counter) Set(name string, done int64) {
	if c == nil {
		return
	}
	c.update(name, func(p *part) { p.done = done })
}

// Add says that so much more is done, of nothing in particular.
func (c *Counter) Add(n int64) {
	if c == nil {
		return
	}
	c.update("", func(p *part) { p.done += n })
}

// During says what is done from now on which is not counted, such as a flush of a large file system, until the
// function that it returns is called. It is shown while nothing that is counted is missing.
func (c *Counter) During(what string) (end func()) {
	if c == nil {
		return func() {}
	}
	c.doing(what)
	return func() { c.doing("") }
}

func (c *Counter) doing(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.what, c.since = what, time.Now()
}

// update changes a part, and the sums with it.
func (c *Counter) update(name string, change func(*part)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.start.IsZero() || c.done == 0 { // until something comes nothing is slow
		c.start = time.Now()
	}
	p := c.parts[name]
	if p == nil {
		p = &part{}
		c.parts[name] = p
	}
	before := *p
	change(p)
	c.done += p.done - before.done
	c.total += p.total - before.total
}

// Close ends the showing.
func (c *Counter) Close() {
	if c == nil {
		return
	}
	close(c.finished)
	c.stopped.Wait()
}

// run shows how far it is, on a terminal as long as nobody else draws there.
func (c *Counter) run(interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var release func()
	defer func() {
		if release != nil {
			fmt.Fprint(c.printer.Out, clearLine)
			release()
		}
	}()
	for {
		select {
		case <-c.finished:
			return
		case <-ticker.C:
		}
		text := c.tell()
		if text == "" || c.mode != bars {
			continue
		}
		ok := release != nil
		if !ok {
			release, ok = terminal.Claim(c.printer.Out)
		}
		if ok {
			fmt.Fprint(c.printer.Out, "\r"+text+"\x1b[K\r") // other lines begin where this one does
		}
	}
}

// clearLine removes what is drawn on the line of the cursor.
const clearLine = "\r\x1b[K"

// tell prints a line, or returns the one that is to be drawn: "" if it is too early.
func (c *Counter) tell() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.start.IsZero() || c.total > 0 && c.done >= c.total {
		return c.tellDoing()
	}
	rate, left := paceOf(c.done, c.total-c.done, time.Since(c.start))
	switch {
	case c.mode == JSON:
		c.printer.object(pacing{state{Kind: "progress", Bytes: c.done, Total: c.total}, int64(rate), left.Seconds()})
	case c.mode == Plain:
		c.printer.Say("%s", c.state(rate, left))
	case time.Since(c.start) >= patience:
		return c.line(terminal.Columns(c.printer.Out), c.state(rate, left))
	}
	return ""
}

// tellDoing is tell while only what is not counted is done.
func (c *Counter) tellDoing() string {
	long := time.Since(c.since)
	switch {
	case c.what == "":
	case c.mode != bars:
		c.printer.Say("%s for %s", c.what, long.Round(time.Second))
	case long >= patience:
		return c.line(terminal.Columns(c.printer.Out), fmt.Sprintf("%s for %s", c.what, long.Round(time.Second)))
	}
	return ""
}

// state says in words how far it is.
func (c *Counter) state(rate float64, left time.Duration) string {
	if c.total == 0 {
		return c.unit(c.done)
	}
	return sayPace(c.unit, c.done, c.total, rate, left)
}

// line returns the line to be drawn, with a bar if there is room for it.
func (c *Counter) line(columns int, state string) string {
	text := fmt.Sprintf("%-8s ", c.name)
	if room := min(columns-len(text)-len(state)-4, 40); room >= 5 && c.total > 0 && c.done < c.total {
		done := int(min(c.done, c.total) * int64(room) / c.total)
		text += "[" + strings.Repeat("=", done) + strings.Repeat("-", room-done) + "] "
	}
	text += state
	return text[:min(len(text), max(columns-1, 0))]
}
