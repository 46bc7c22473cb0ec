package progress

import (
	"cfs/lib/terminal"
	"fmt"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Meter shows how far transfers are, all of which are known before the first
// one begins: as bars on a terminal, else as lines of text or of JSON.
type Meter struct {
	printer  *Printer
	mode     Mode // bars, Plain, JSON or None
	bars     *mpb.Progress
	overall  *mpb.Bar
	finished chan struct{}
	stopped  sync.WaitGroup

	mu          sync.Mutex
	start       time.Time
	total, done int64 // bytes
	before      int64 // bytes that were there at the start
	items       []*Item
	complete    int // items
}

// Item is one transfer.
type Item struct {
	meter        *Meter
	kind, digest string
	total, done  int64
	begun        bool
	bar          *mpb.Bar
}

// every is how often a line tells how far all is.
const every = 5 * time.Second

// Meter returns a Meter that prints in the mode of p.
func (p *Printer) Meter() *Meter {
	m := &Meter{printer: p, mode: p.Mode, finished: make(chan struct{})}
	if m.mode == Auto {
		m.mode = Plain
		if terminal.IsDrawable(p.Out) {
			m.mode = bars
		}
	}
	return m
}

// Add makes a transfer known, of so many bytes.
func (m *Meter) Add(kind, digest string, bytes int64) *Item {
	i := &Item{meter: m, kind: kind, digest: digest, total: bytes}
	m.items = append(m.items, i)
	m.total += bytes
	return i
}

// Start is called when all transfers are known.
func (m *Meter) Start() {
	m.start = time.Now()
	if len(m.items) == 0 {
		m.mode = None
	}
	switch m.mode {
	case Plain:
		m.printer.Say("to fetch: %s in %s", size(m.total), several(len(m.items), "blob"))
		m.stopped.Go(m.tick)
	case JSON:
		m.stopped.Go(m.tick)
	case bars:
		m.bars = mpb.New(mpb.WithOutput(m.printer.Out), mpb.WithWidth(60))
		for _, i := range m.items {
			i.bar = m.bar(fmt.Sprintf("%-6s %.19s", i.kind, i.digest), i.total)
		}
		m.overall = m.bar("all", m.total)
	}
}

func (m *Meter) bar(name string, total int64) *mpb.Bar {
	// Only Done completes a bar: what came must be verified yet. So its total is set later.
	bar := m.bars.New(0, mpb.BarStyle(),
		mpb.PrependDecorators(decor.Name(name, decor.WC{W: 28, C: decor.DindentRight})),
		mpb.AppendDecorators(
			decor.CountersKiloByte("% .1f / % .1f ", decor.WC{W: 22}),
			decor.OnComplete(decor.AverageSpeed(decor.SizeB1000(0), "% .1f ", decor.WC{W: 12}), ""),
			decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8}), "done"),
		))
	bar.SetTotal(max(total, 1), false)
	return bar
}

// Set tells that so many bytes of the transfer are there.
func (i *Item) Set(bytes int64) {
	m := i.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	if !i.begun {
		i.begun = true
		m.before += bytes
		if i.bar != nil {
			i.bar.DecoratorAverageAdjust(time.Now()) // it has waited for its turn
		}
	}
	m.done += bytes - i.done
	i.done = bytes
	if i.bar != nil {
		i.bar.SetCurrent(bytes)
		m.overall.SetCurrent(m.done)
	}
}

// Done tells that the transfer has ended well, and how.
func (i *Item) Done(message string) {
	i.meter.mu.Lock()
	i.meter.complete++
	i.meter.mu.Unlock()
	if i.bar != nil {
		i.bar.SetTotal(-1, true)
	} else {
		i.meter.printer.Event(Event{Kind: i.kind, Digest: i.digest, Message: message, Bytes: i.total})
	}
}

// Say prints a line for people, above the bars if there are any.
func (m *Meter) Say(format string, args ...any) {
	if m.bars != nil {
		fmt.Fprint(m.bars, m.printer.line(format, args...))
		return
	}
	m.printer.Say(format, args...)
}

// Close ends the showing, whether all has been done or not.
func (m *Meter) Close() {
	close(m.finished)
	m.stopped.Wait()
	if m.bars == nil {
		return
	}
	if m.complete == len(m.items) {
		m.overall.SetTotal(-1, true)
	}
	for _, i := range m.items {
		i.bar.Abort(false)
	}
	m.overall.Abort(false)
	m.bars.Wait()
}

// tick tells from time to time how far all is.
func (m *Meter) tick() {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-m.finished:
			return
		case <-ticker.C:
			m.tell()
		}
	}
}

func (m *Meter) tell() {
	m.mu.Lock()
	done, total := m.done, m.total
	rate := float64(done-m.before) / time.Since(m.start).Seconds()
	m.mu.Unlock()
	left := time.Duration(0)
	if rate > 0 {
		left = time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	}
	switch {
	case m.mode == Plain && rate > 0:
		m.printer.Say("%s of %s, %s/s, %s left", size(done), size(total), size(int64(rate)), left)
		return
	case m.mode == Plain:
		m.printer.Say("%s of %s", size(done), size(total))
		return
	}
	m.printer.object(struct {
		Kind    string  `json:"kind"`
		Bytes   int64   `json:"bytes"`
		Total   int64   `json:"total"`
		Rate    int64   `json:"bytes-per-second"`
		Seconds float64 `json:"seconds-left"`
	}{"progress", done, total, int64(rate), left.Seconds()})
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	if bytes < 1000 {
		return several(int(bytes), "byte")
	}
	return fmt.Sprintf("% .1f", decor.SizeB1000(bytes))
}

func several(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
