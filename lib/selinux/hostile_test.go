package selinux

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// bounded runs what must neither take long nor leave much in memory.
func bounded(t *testing.T, what func()) {
	t.Helper()
	start := time.Now()
	what()
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapSys > 1<<30 {
		t.Errorf("%d MB of heap", m.HeapSys>>20)
	}
}

// TestManyRules: a hundred thousand rules, all of which must be looked at.
func TestManyRules(t *testing.T) {
	var text strings.Builder
	for n := range 100_000 {
		fmt.Fprintf(&text, "/(usr|etc)/.*x[0-9]{2}y%d\t--\tnumber_%d\n", n, n)
	}
	root := bootable(text.String(), "/usr/ax11y77777", "/usr/ax11y", "/etc/b")
	bounded(t, func() {
		if err := Relabel(root, inline); err != nil {
			t.Fatal(err)
		}
	})
	if got := labels(root); len(got) != 1 || got["/usr/ax11y77777"] != "number_77777" {
		t.Errorf("labels: %v", got)
	}
}

// TestLongLines: lines of a megabyte, and of more than one.
func TestLongLines(t *testing.T) {
	const megabyte = 1 << 20
	long := strings.Repeat("x", megabyte)
	for text, want := range map[string]string{
		"#" + long + "\n/usr\ta_t\n":                  "",
		strings.Repeat(" ", megabyte) + "/usr\ta_t\n": "",
		"/usr\ta_t\n/" + long + "\tb_t\n":             "file_contexts line 2: pattern",
		"/usr\ta_t\n/a\tb_t " + long + "\n":           "file_contexts line 2: ",
		"/usr\ta_t\n" + long:                          "file_contexts line 2: no context",
		"/usr\ta_t\n/x\t-" + long + "\tb_t\n":         "file_contexts line 2: unknown file type",
	} {
		bounded(t, func() {
			root := bootable(text)
			err := Relabel(root, inline)
			switch {
			case want == "" && (err != nil || labels(root)["/usr"] != "a_t"):
				t.Errorf("%s: %v, %v", abbreviate(text), err, labels(root))
			case want != "" && (err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000):
				t.Errorf("%s: %v, want %s", abbreviate(text), err, want)
			}
		})
	}
}

// TestBlowUp: patterns that take exponential time, or memory, in some engine.
func TestBlowUp(t *testing.T) {
	again := strings.Repeat
	for name, pattern := range map[string]string{
		"linear star": "(a*)*b", "linear plus": "(a|aa)+b", "counts": "(((a{1000}){1000}){99})", "large counts": "((a{65535}){65535})+",
		"deep counts": again("(", 200) + "a" + again("{2})", 199) + ")", "counts of counts": "a" + again("{9}", 99),
		"many choices": again("(a|b)?", 10000), "many counts": again("[^a]{1000}", 6000),
	} {
		t.Run(name, func(t *testing.T) { blowUp(t, pattern, "") })
	}
	for name, pattern := range map[string]string{
		"star": "((a|aa)+)+b(?!c)", "plus": "(?=((a|aa)+)+b).*", "too large count": "a{65536}", "deep": again("(", 1000) + again("a)*", 1000),
		"stars": "a" + again("*", 60000), "classes": again("[", 60000),
	} {
		t.Run(name, func(t *testing.T) { blowUp(t, pattern, "file_contexts line 2: pattern") })
	}
}

// blowUp labels by a pattern, which is fine, or gives an error that says want.
func blowUp(t *testing.T, pattern, want string) {
	root := bootable("/usr\tusr_t\n/usr/"+pattern+"\tx_t\n", "/usr/"+strings.Repeat("a", 200), "/usr/b")
	bounded(t, func() {
		err := Relabel(root, inline)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000) {
			t.Errorf("%v, want %q", err, want)
		}
	})
}

// TestDeadline: labelling ends when its time is over.
func TestDeadline(t *testing.T) {
	p, err := newPolicy(map[string]string{"file_contexts": "/.*\tx_t\n"})
	if err != nil {
		t.Fatal(err)
	}
	root := bootable("")
	if err := p.labelUntil(root, time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
	if err := p.labelUntil(root, time.Now()); err == nil || !strings.Contains(err.Error(), "take too long") {
		t.Error(err)
	}
}

// TestLargePolicy: what is too large is refused by its size, and not read.
func TestLargePolicy(t *testing.T) {
	root := bootable("/.*\tx_t\n")
	put(root, "/etc/selinux/t/contexts/files/file_contexts.subs", "").Size = 1 << 40
	if err := Relabel(root, inline); err == nil || !strings.Contains(err.Error(), "file_contexts.subs has 1099511627776 bytes") {
		t.Error(err)
	}
}

// TestUnsupported: what only PCRE2 or Rust has of patterns is refused, and labels nothing.
func TestUnsupported(t *testing.T) {
	for _, pattern := range []string{
		`(a(?R)?)`, `(a)(?(1)b)`, `a\K`, `\R`, `\X`, `(a)\g1`, `(?<n>a)\k<n>`, `\cA`, `\o{101}`, `(*ACCEPT)a`, `(?x)a`, `(?n)a`, `(?u)a`, `a` + "\x00",
	} {
		root := bootable("/usr\tusr_t\n/usr/"+pattern+"\tx_t\n", "/usr/a")
		if err := Relabel(root, inline); err == nil || !strings.Contains(err.Error(), "file_contexts line 2") {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
