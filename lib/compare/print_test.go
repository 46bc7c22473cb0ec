package compare_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/lib/compare"
)

// TestPrinter: each kind of line, in both forms.
func TestPrinter(t *testing.T) {
	none := compare.Value{}
	list := []compare.Difference{
		{Path: "/a b", Attribute: compare.Added, New: value("file")},
		{Path: "/c", Attribute: compare.Removed, Old: value("fifo")},
		{Path: "/d", Attribute: compare.Xattr, Name: "user.x y", Old: none, New: value("")},
		{Path: "/e", Attribute: compare.Target, Old: value("-"), New: value(`""`)},
		{Path: "/f", Attribute: compare.Hardlink, Old: value("/<\xff>"), New: none},
	}
	for asJSON, want := range map[bool]string{
		false: `/a\x20b: added file
/c: removed fifo
/d: xattr user.x\x20y - -> ""
/e: target \x2d -> \x22\x22
/f: hardlink /<\xff> -> -
cause: all <of it>
`,
		true: `{"v":2,"path":"/a b","attribute":"added","new":"file"}
{"v":2,"path":"/c","attribute":"removed","old":"fifo"}
{"v":2,"path":"/d","attribute":"xattr","name":"user.x y","new":""}
{"v":2,"path":"/e","attribute":"target","old":"-","new":"\"\""}
{"v":2,"path":"/f","attribute":"hardlink","old":{"bytes":"Lzz/Pg=="}}
{"v":2,"cause":"all <of it>"}
`,
	} {
		var out strings.Builder
		p := compare.NewPrinter(&out, asJSON)
		for _, d := range list {
			if err := p.Difference(d); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Finish("all <of it>"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("JSON %v (-want +got):\n%s", asJSON, diff)
		}
	}
}

// TestPrinterEnd: nothing is printed of no difference, and a failure is not lost.
func TestPrinterEnd(t *testing.T) {
	var out strings.Builder
	if err := compare.NewPrinter(&out, true).Finish(""); err != nil || out.Len() > 0 {
		t.Errorf("%q, %v", out.String(), err)
	}
	for _, asJSON := range []bool{false, true} {
		if err := compare.NewPrinter(full{}, asJSON).Finish("cause"); !errors.Is(err, errFull) {
			t.Errorf("JSON %v: %v", asJSON, err)
		}
	}
}

var errFull = errors.New("full")

// full is a writer that nothing can be written to.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
