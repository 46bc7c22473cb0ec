package progress

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"cfs/lib/terminal"
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
	release  func() // of the terminal that bars are on

	// Bars ask for the numbers while they are drawn, so nobody may wait for a bar who holds mu.
	// drawing is held instead, so that what was counted last is drawn last.
	drawing     sync.Mutex
	mu          sync.Mutex
	start       time.Time
	total, done int64 // bytes
	have        int64 // bytes that seem to be there from an earlier run
	before      int64 // bytes that were there when their transfers began
	items       []*Item
	complete    int // items
}

// Item is one transfer.
type Item struct {
	meter        *Meter
	kind, digest string
	total, done  int64
	before       int64 // bytes that were there when it began
	begun        time.Time
	ended        bool
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

// Add makes a transfer known, of so many bytes, some of which are there from an earlier run.
func (m *Meter) Add(kind, digest string, bytes, have int64) *Item {
	i := &Item{meter: m, kind: kind, digest: digest, total: bytes}
	m.items = append(m.items, i)
	m.total += bytes
	m.have += have
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
		there := ""
		if m.have > 0 {
			there = fmt.Sprintf(", %s present from an earlier run", size(m.have))
		}
		m.printer.Say("to fetch: %s in %s%s", size(m.total-m.have), several(len(m.items), "blob"), there)
		m.stopped.Go(m.tick)
	case JSON:
		m.stopped.Go(m.tick)
	case bars:
		var ok bool
		if m.release, ok = terminal.Claim(m.printer.Out); !ok {
			m.mode = None // another one draws there
			return
		}
		m.bars = mpb.New(mpb.WithOutput(m.printer.Out), mpb.WithWidth(60))
		for _, i := range m.items {
			i.bar = m.bar(fmt.Sprintf("%-6s %.12s", i.kind, hexOf(i.digest)), i.total, i.pace)
		}
		m.overall = m.bar("all", m.total, m.pace)
	}
}

// hexOf returns a digest without its algorithm.
func hexOf(digest string) string { return digest[strings.IndexByte(digest, ':')+1:] }

// bar makes a bar that fits into 80 columns with all its numbers. pace tells how fast it is.
func (m *Meter) bar(name string, total int64, pace func() (rate float64, left time.Duration)) *mpb.Bar {
	speed := func(decor.Statistics) string {
		if rate, _ := pace(); rate > 0 {
			return short(int64(rate)) + "/s "
		}
		return ""
	}
	left := func(decor.Statistics) string {
		if rate, left := pace(); rate > 0 {
			return left.String()
		}
		return ""
	}
	// Only Done completes a bar: what came must be verified yet. So its total is set later.
	bar := m.bars.New(0, mpb.BarStyle(),
		mpb.PrependDecorators(decor.Name(name, decor.WC{W: 20, C: decor.DindentRight})),
		mpb.AppendDecorators(
			decor.Any(func(s decor.Statistics) string { return short(s.Current) + " / " + short(s.Total) + " " }, decor.WC{W: 20}),
			decor.OnComplete(decor.Any(speed, decor.WC{W: 12}), ""),
			decor.OnComplete(decor.Any(left, decor.WC{W: 6}), "done"),
		))
	bar.SetTotal(max(total, 1), false)
	return bar
}

// pace returns how many bytes of the transfer come in a second, not counting those that were
// there when it began, and how long the rest will take.
func (i *Item) pace() (rate float64, left time.Duration) {
	i.meter.mu.Lock()
	defer i.meter.mu.Unlock()
	if i.begun.IsZero() {
		return 0, 0
	}
	return paceOf(i.done-i.before, i.total-i.done, time.Since(i.begun))
}

// pace is that of all transfers together.
func (m *Meter) pace() (rate float64, left time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return paceOf(m.done-m.before, m.total-m.done, time.Since(m.start))
}

func paceOf(come, missing int64, in time.Duration) (rate float64, left time.Duration) {
	if rate = float64(come) / in.Seconds(); rate > 0 {
		left = time.Duration(float64(missing) / rate * float64(time.Second)).Round(time.Second)
	}
	return rate, left
}

// sayPace says in words how far something is, with numbers as unit writes them.
func sayPace(unit func(int64) string, done, total int64, rate float64, left time.Duration) string {
	text := unit(done) + " of " + unit(total)
	if rate > 0 {
		text += fmt.Sprintf(", %s/s, %s left", unit(int64(rate)), left)
	}
	return text
}

// Set tells that so many bytes of the transfer are there.
func (i *Item) Set(bytes int64) {
	m := i.meter
	m.drawing.Lock()
	defer m.drawing.Unlock()
	all := i.count(bytes)
	if i.bar != nil {
		i.bar.SetCurrent(bytes)
		m.overall.SetCurrent(all)
	}
}

// count takes note of so many bytes of the transfer, and returns how many there are of all.
func (i *Item) count(bytes int64) int64 {
	m := i.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	if i.begun.IsZero() {
		i.begun, i.before = time.Now(), bytes
		m.before += bytes
	}
	m.done += bytes - i.done
	i.done = bytes
	return m.done
}

// Resize tells that the transfer has another number of bytes than was thought.
func (i *Item) Resize(bytes int64) {
	m := i.meter
	m.drawing.Lock()
	defer m.drawing.Unlock()
	m.mu.Lock()
	m.total += bytes - i.total
	i.total = bytes
	all := m.total
	m.mu.Unlock()
	if i.bar != nil {
		i.bar.SetTotal(max(bytes, 1), false)
		m.overall.SetTotal(max(all, 1), false)
	}
}

// DoneInParts is Done for a blob of so many bytes of which only parts were needed, which took so many
// requests. It says so on a terminal too.
func (i *Item) DoneInParts(bytes int64, requests int) {
	message := fmt.Sprintf("%s of %s in %s", size(i.total), size(bytes), several(requests, "request"))
	if i.bar != nil {
		i.meter.Say("%s %s: %s", i.kind, i.digest, message)
	}
	i.Done(message)
}

// Done tells that the transfer has ended well, and how.
func (i *Item) Done(message string) {
	i.meter.mu.Lock()
	i.meter.complete++
	i.ended = true
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
	m.release()
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
	rate, left := m.pace()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mode == Plain {
		m.printer.Say("%s", sayPace(size, m.done, m.total, rate, left))
		return
	}
	for _, i := range m.items {
		if !i.begun.IsZero() && !i.ended {
			m.printer.object(state{Kind: "progress", Of: i.kind, Digest: i.digest, Bytes: i.done, Total: i.total})
		}
	}
	m.printer.object(pacing{state{Kind: "progress", Bytes: m.done, Total: m.total}, int64(rate), left.Seconds()})
}

// state is how far a transfer is, or all of them.
type state struct {
	Kind   string `json:"kind"`
	Of     string `json:"of,omitempty"` // the kind of the record that it is about, nothing for all
	Digest string `json:"digest,omitempty"`
	Bytes  int64  `json:"bytes"`
	Total  int64  `json:"total"`
}

// pacing is how far all transfers are.
type pacing struct {
	state
	Rate    int64   `json:"bytes-per-second"`
	Seconds float64 `json:"seconds-left"`
}

// size writes a number of bytes for people, in decimal units.
func size(bytes int64) string {
	if bytes < 1000 {
		return several(int(bytes), "byte")
	}
	return short(bytes)
}

// short is size for a bar, where there is no room for a word.
func short(bytes int64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	return strings.Replace(fmt.Sprintf("% .1f", decor.SizeB1000(bytes)), "KB", "kB", 1) // as SI spells it
}

func several(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
