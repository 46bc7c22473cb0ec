package progress

import (
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"cfs/lib/internal/pty"
)

// output returns a file for a Printer, and a function that returns what it has printed.
func output(t *testing.T) (*os.File, func() string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, func() string {
		t.Helper()
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func TestParseMode(t *testing.T) {
	for _, m := range []Mode{Auto, Plain, JSON, None} {
		if got, err := ParseMode(string(m)); err != nil || got != m {
			t.Errorf("%s: %s, %v", m, got, err)
		}
	}
	for _, s := range []string{"", "bars", "Plain", "json "} {
		if _, err := ParseMode(s); err == nil || err.Error() != `"`+s+`": want auto, plain, json or none` {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestPrinter: events as lines of text or of JSON, or not at all; words for people always.
func TestPrinter(t *testing.T) {
	const text, said = "cfs-x: layer sha256:00: stored\ncfs-x: blob -: got it\n", "cfs-x: 100% of; two\n"
	const warned = "cfs-x: warning: <odd>\n"
	for mode, want := range map[Mode]string{
		Auto: text + said + warned, Plain: text + said + warned, None: said + warned,
		JSON: `{"v":2,"tool":"cfs-x","kind":"layer","digest":"sha256:00","message":"stored","new-objects":1,"present-objects":0,"bytes-stored":2,"bytes-inline":3}` + "\n" +
			`{"v":2,"tool":"cfs-x","kind":"blob","digest":"-","message":"got it","bytes":7}` + "\n" +
			`{"v":2,"tool":"cfs-x","kind":"message","message":"100% of\ntwo"}` + "\n" +
			`{"v":2,"tool":"cfs-x","kind":"warning","message":"<odd>"}` + "\n",
	} {
		out, printed := output(t)
		p := &Printer{Tool: "cfs-x", Mode: mode, Out: out}
		p.Event(Event{Kind: "layer", Digest: "sha256:00", Message: "stored", Stored: &Stored{New: 1, Written: 2, Inline: 3}})
		p.Event(Event{Kind: "blob", Digest: "-", Message: "got it", Bytes: 7})
		p.Say("%d%% of\n%s", 100, "two")
		p.Say("warning: <odd>")
		if got := printed(); got != want {
			t.Errorf("%s: got\n%swant\n%s", mode, got, want)
		}
	}
}

// transfer is two transfers, the second of which has a part before it begins.
func transfer(m *Meter) {
	a, b := m.Add("layer", "sha256:aa", 1000, 0), m.Add("config", "sha256:bb", 2_500_000, 0)
	m.Start()
	a.Set(400)
	a.Set(1000)
	a.Done("fetched")
	b.Set(1_000_000)
	m.Say("warning: %s", "slow")
	b.Set(2_500_000)
	b.Done("fetched")
	m.Close()
}

// TestMeter: what is to be done, and each transfer when it is done. Auto is Plain on what
// is no terminal.
func TestMeter(t *testing.T) {
	const plain = "cfs-x: to fetch: 2.5 MB in 2 blobs\ncfs-x: layer sha256:aa: fetched\ncfs-x: warning: slow\ncfs-x: config sha256:bb: fetched\n"
	for mode, want := range map[Mode]string{
		Auto: plain, Plain: plain, None: "cfs-x: warning: slow\n",
		JSON: `{"v":2,"tool":"cfs-x","kind":"layer","digest":"sha256:aa","message":"fetched","bytes":1000}` + "\n" + `{"v":2,"tool":"cfs-x","kind":"warning","message":"slow"}` + "\n" +
			`{"v":2,"tool":"cfs-x","kind":"config","digest":"sha256:bb","message":"fetched","bytes":2500000}` + "\n",
	} {
		out, printed := output(t)
		transfer((&Printer{Tool: "cfs-x", Mode: mode, Out: out}).Meter())
		if got := printed(); got != want {
			t.Errorf("%s: got\n%swant\n%s", mode, got, want)
		}
	}
}

// TestNothingToDo: without transfers nothing is said of them.
func TestNothingToDo(t *testing.T) {
	for _, mode := range []Mode{Auto, Plain, JSON, None} {
		out, printed := output(t)
		m := (&Printer{Tool: "cfs-x", Mode: mode, Out: out}).Meter()
		m.Start()
		m.Close()
		if got := printed(); got != "" {
			t.Errorf("%s: got %q", mode, got)
		}
	}
}

// TestTell: from time to time a line tells how far all is. How fast it is, is told of what
// came since the start alone.
func TestTell(t *testing.T) {
	const rate, left = `\d+(\.\d)? (bytes?|[kMG]B)`, `\d+h\d+m\d+s`
	for _, v := range []struct {
		mode        Mode
		first, then string
	}{
		{Plain, `^cfs-x: 500\.0 kB of 3\.0 MB\n$`, `^cfs-x: 1\.5 MB of 3\.0 MB, ` + rate + `/s, ` + left + ` left\n$`},
		{JSON, `^{"v":2,"tool":"cfs-x","kind":"progress","of":"layer","digest":"sha256:aa","bytes":500000,"total":3000000}\n{"v":2,"tool":"cfs-x","kind":"progress","bytes":500000,"total":3000000,"bytes-per-second":0,"seconds-left":0}\n$`,
			`^{"v":2,"tool":"cfs-x","kind":"progress","of":"layer","digest":"sha256:aa","bytes":1500000,"total":3000000}\n{"v":2,"tool":"cfs-x","kind":"progress","bytes":1500000,"total":3000000,"bytes-per-second":\d+,"seconds-left":\d+}\n$`},
	} {
		out, printed := output(t)
		m := (&Printer{Tool: "cfs-x", Mode: v.mode, Out: out}).Meter()
		i := m.Add("layer", "sha256:aa", 3_000_000, 0)
		i.Set(500_000) // was there before
		m.start = time.Now().Add(-10 * time.Hour)
		m.tell()
		first := printed()
		i.Set(1_500_000)
		m.tell()
		then := printed()[len(first):]
		for want, got := range map[string]string{v.first: first, v.then: then} {
			if ok, err := regexp.MatchString(want, got); err != nil || !ok {
				t.Errorf("%s: got %q, want %s, %v", v.mode, got, want, err)
			}
		}
	}
}

// TestSize: numbers for people.
func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1000: "1.0 kB", 1_550_000: "1.6 MB", 2_000_000_000: "2.0 GB",
	} {
		if got := size(bytes); got != want {
			t.Errorf("%d: %q, want %q", bytes, got, want)
		}
	}
}

// drawable sets the environment of a terminal that can be drawn on.
func drawable(t *testing.T) {
	t.Helper()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
}

// TestPlainTerminal: a dumb terminal, and who wants no colour, get lines.
func TestPlainTerminal(t *testing.T) {
	for _, env := range [][2]string{{"TERM", "dumb"}, {"TERM", ""}, {"NO_COLOR", "1"}} {
		drawable(t)
		t.Setenv(env[0], env[1])
		p := pty.Open(t, 80)
		transfer((&Printer{Tool: "cfs-x", Out: p.Terminal, Mode: Auto}).Meter())
		if got := p.Close(); regexp.MustCompile("\x1b").MatchString(got) || !regexp.MustCompile("to fetch: 2.5 MB in 2 blobs").MatchString(got) {
			t.Errorf("%s=%s: %q", env[0], env[1], got)
		}
	}
}

// TestResumed: what was there before counts neither as to be fetched nor as fast.
func TestResumed(t *testing.T) {
	out, printed := output(t)
	m := (&Printer{Tool: "cfs-x", Mode: Plain, Out: out}).Meter()
	i := m.Add("layer", "sha256:aa", 3_000_000, 2_000_000)
	m.Start()
	i.Set(2_000_000)
	if rate, _ := i.pace(); rate != 0 {
		t.Errorf("%f bytes/s before anything has come", rate)
	}
	i.begun = time.Now().Add(-10 * time.Second)
	i.Set(2_500_000)
	if rate, left := i.pace(); rate < 45_000 || rate > 50_000 || left != 10*time.Second {
		t.Errorf("%f bytes/s, %s left", rate, left)
	}
	m.Close()
	if got := printed(); got != "cfs-x: to fetch: 1.0 MB in 1 blob, 2.0 MB present from an earlier run\n" {
		t.Errorf("%q", got)
	}
}

// TestBars: on a terminal Auto draws bars, each with what it is of, and lines for people
// above them; no other mode does, and not on a terminal of no size.
func TestBars(t *testing.T) {
	drawable(t)
	for _, v := range []struct {
		mode    Mode
		columns uint16
		bars    bool
	}{{Auto, 100, true}, {Auto, 0, false}, {Plain, 100, false}, {None, 100, false}} {
		p := pty.Open(t, v.columns)
		transfer((&Printer{Tool: "cfs-x", Mode: v.mode, Out: p.Terminal}).Meter())
		got := p.Close()
		for _, want := range []string{`layer  aa .*1\.0 kB / 1\.0 kB`, `config bb .*2\.5 MB / 2\.5 MB`, `all .*2\.5 MB / 2\.5 MB .*done`, `\[=+\]`} {
			if has := regexp.MustCompile(want).MatchString(got); has != v.bars {
				t.Errorf("%s on %d columns: has %q %v:\n%q", v.mode, v.columns, want, has, got)
			}
		}
		if !regexp.MustCompile(`(?m)^(.*\x1b\[[0-9A-Z]*)?cfs-x: warning: slow\r?$`).MatchString(got) {
			t.Errorf("%s on %d columns: the warning is not on a line of its own:\n%q", v.mode, v.columns, got)
		}
	}
}

// TestUnfinishedBars: a Meter that is closed before all is done ends, and calls nothing
// done that is not.
func TestUnfinishedBars(t *testing.T) {
	drawable(t)
	p := pty.Open(t, 100)
	m := (&Printer{Tool: "cfs-x", Mode: Auto, Out: p.Terminal}).Meter()
	a, _ := m.Add("layer", "sha256:aa", 1000, 0), m.Add("layer", "sha256:bb", 2000, 0)
	m.Start()
	a.Set(1000) // all is there, and not verified yet
	m.Close()
	if got := p.Close(); regexp.MustCompile("done").MatchString(got) {
		t.Errorf("something is done:\n%q", got)
	}
}

// TestBarsUnderLoad: transfers that count and change their sizes while bars are drawn do not wait for each
// other for ever.
func TestBarsUnderLoad(t *testing.T) {
	drawable(t)
	p := pty.Open(t, 100)
	m := (&Printer{Tool: "cfs-x", Mode: Auto, Out: p.Terminal}).Meter()
	items := []*Item{m.Add("layer", "sha256:aa", 1<<40, 0), m.Add("layer", "sha256:bb", 1<<40, 0)}
	m.Start()
	done := make(chan struct{})
	go func() {
		var working sync.WaitGroup
		for _, i := range items {
			working.Go(func() {
				for n, start := int64(0), time.Now(); time.Since(start) < time.Second; n++ { // some redraws
					i.Set(n)
					i.Resize(1<<40 + n)
				}
			})
		}
		working.Wait()
		m.Close()
		close(done)
	}()
	select {
	case <-done:
		p.Close()
	case <-time.After(time.Minute):
		panic("they wait for each other") // as would the end of the test
	}
}
