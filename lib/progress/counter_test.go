package progress

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"cfs/lib/internal/pty"
	"cfs/lib/terminal"
)

// work lets a counter have two parts, the first of which is half done, for a while.
func work(c *Counter) {
	c.Expect("a", 2_000_000)
	c.Expect("a", 2_000_000)
	c.Expect("b", 1_000_000)
	c.Expect("c", -1) // is not known
	c.Set("a", 1_500_000)
	c.Set("a", 1_000_000)
	c.mu.Lock()
	c.start = time.Now().Add(-10 * time.Second)
	c.mu.Unlock()
}

// TestCounterTells: how far it is, and how fast, as a line or an object; without a total how much.
func TestCounterTells(t *testing.T) {
	for mode, want := range map[Mode]string{
		Plain: `^cfs-x: 1\.0 MB of 3\.0 MB, (99|100)\.\d kB/s, 20s left\ncfs-x: 7 entries\n$`,
		JSON: `^{"v":2,"tool":"cfs-x","kind":"progress","bytes":1000000,"total":3000000,"bytes-per-second":\d+,"seconds-left":20}\n` +
			`{"v":2,"tool":"cfs-x","kind":"progress","bytes":7,"total":0,`,
		None: `^$`,
	} {
		out, printed := output(t)
		p := &Printer{Tool: "cfs-x", Mode: mode, Out: out}
		bytes, entries := p.Counter("x", Bytes), p.Counter("y", Entries)
		bytes.tell() // before anything is known
		work(bytes)
		bytes.tell()
		entries.Add(6)
		entries.Add(1)
		entries.tell()
		bytes.Set("a", 2_000_000)
		bytes.Set("b", 1_000_000)
		bytes.tell() // all is done
		bytes.Close()
		entries.Close()
		if got := printed(); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %q", mode, got)
		}
	}
	var none *Counter
	none.Expect("a", 1)
	none.Set("a", 1)
	none.Add(1)
	none.Close()
}

// TestCounterLine: a line never wraps, and has a bar if there is room.
func TestCounterLine(t *testing.T) {
	c := &Counter{name: "import", unit: Bytes, total: 4, done: 1}
	for columns, want := range map[int]string{
		60: "import   [==========------------------------------] state", 22: "import   state", 23: "import   [=----] state", 15: "import   state", 9: "import  ", 0: "",
	} {
		if got := c.line(columns, "state"); got != want || len(got) >= max(columns, 1) {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
}

// TestCounterDraws: on a terminal there is one line, which is gone in the end, and lines of others
// begin where it does; while another one draws there, none.
func TestCounterDraws(t *testing.T) {
	drawable(t)
	for _, taken := range []bool{false, true} {
		p := pty.Open(t, 80)
		release := func() {}
		if taken {
			var ok bool
			if release, ok = terminal.Claim(p.Terminal); !ok {
				t.Fatal("the terminal cannot be claimed")
			}
			if _, ok := terminal.Claim(p.Terminal); ok {
				t.Error("claimed twice")
			}
		}
		printer := &Printer{Tool: "cfs-x", Mode: Auto, Out: p.Terminal}
		c := printer.Counter("import", Bytes)
		work(c)
		time.Sleep(3 * redraw)
		printer.Say("odd")
		printer.Event(Event{Kind: "layer", Digest: "-", Message: "stored"})
		c.Close()
		release()
		got := p.Close()
		if drawn := strings.Contains(got, "import   [====="); drawn == taken || strings.Contains(got, "stored") || !strings.Contains(got, clearLine+"cfs-x: odd") {
			t.Errorf("taken %v: %q", taken, got)
		}
		if !taken && !strings.HasSuffix(got, clearLine) {
			t.Errorf("the line is still there: %q", got)
		}
	}
}

// TestCounterDuring: what takes long when all is counted is said, on a terminal and in lines, and only then.
func TestCounterDuring(t *testing.T) {
	drawable(t)
	long := func(c *Counter) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.since = time.Now().Add(-12 * time.Second)
	}
	done := func(c *Counter) {
		work(c)
		c.Set("a", 2_000_000)
		c.Set("b", 1_000_000)
	}
	for mode, want := range map[Mode]string{Plain: "cfs-x: flushing to disk for 12s\n", JSON: `"message":"flushing to disk for 12s"`, None: "^$"} {
		out, printed := output(t)
		c := (&Printer{Tool: "cfs-x", Mode: mode, Out: out}).Counter("x", Bytes)
		if mode != None {
			done(c)
			end := c.During("flushing to disk")
			long(c)
			c.tell()
			end()
			c.tell()
		}
		c.Close()
		if got := printed(); !regexp.MustCompile(want).MatchString(got) || strings.Count(got, "\n") > 1 {
			t.Errorf("%s: %q", mode, got)
		}
	}
	p := pty.Open(t, 80)
	c := (&Printer{Tool: "cfs-x", Mode: Auto, Out: p.Terminal}).Counter("import", Bytes)
	done(c)
	end := c.During("flushing to disk")
	if text := c.tell(); text != "" {
		t.Errorf("at once: %q", text)
	}
	long(c)
	if text := c.tell(); text != "import   flushing to disk for 12s" {
		t.Errorf("%q", text)
	}
	end()
	if text := c.tell(); text != "" {
		t.Errorf("when it has ended: %q", text)
	}
	c.Close()
	p.Close()
	var none *Counter
	none.During("x")()
}

// TestCounterWaits: the time before the first byte comes makes nothing slow.
func TestCounterWaits(t *testing.T) {
	out, _ := output(t)
	c := (&Printer{Tool: "cfs-x", Mode: None, Out: out}).Counter("x", Bytes)
	defer c.Close()
	c.Expect("a", 1000)
	c.start = c.start.Add(-time.Hour)
	c.Set("a", 500)
	if waited := time.Since(c.start); waited > time.Minute {
		t.Errorf("%s count", waited)
	}
	c.start = c.start.Add(-time.Hour)
	c.Set("a", 600)
	if waited := time.Since(c.start); waited < time.Hour {
		t.Errorf("%s count", waited)
	}
}
