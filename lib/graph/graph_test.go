package graph_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"

	"cfs/lib/graph"
)

// small is a graph of two tags of one manifest, and of hostile names.
func small(name string) graph.Graph {
	layer := &graph.Node{Rank: 3, Name: "layer", Notes: "1 kB <&>"}
	config := &graph.Node{Rank: 2, Name: "config", To: []*graph.Node{layer, {Rank: 3, Name: "image"}}}
	manifest := &graph.Node{Rank: 1, Name: "manifest", To: []*graph.Node{config}}
	return graph.Graph{Roots: []*graph.Node{{Name: name, To: []*graph.Node{manifest}}, {Name: "b", To: []*graph.Node{manifest}}}}
}

func TestText(t *testing.T) {
	var out strings.Builder
	if err := small("a\n").WriteText(&out); err != nil {
		t.Fatal(err)
	}
	want := "a\\n\n  manifest\n    config\n      layer  1 kB <&>\n      image\nb\n  manifest  (above)\n"
	if got := out.String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestDOT(t *testing.T) {
	var out strings.Builder
	if err := small(`a"];\`).WriteDOT(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`n0 [label="a\"];\\\\"];`, `n3 [label="layer\n1 kB <&>"];`, "\tn0 -> n1;\n\tn1 -> n2;\n\tn2 -> n3;\n\tn2 -> n4;\n\tn5 -> n1;\n}\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s\nwithout %s", out.String(), want)
		}
	}
}

// TestSVG: boxes of a column do not cover each other, and all lie inside the drawing.
func TestSVG(t *testing.T) {
	var svg struct {
		Width  float64 `xml:"width,attr"`
		Height float64 `xml:"height,attr"`
		Rect   []struct {
			X      string  `xml:"x,attr"`
			Y      float64 `xml:"y,attr"`
			Width  string  `xml:"width,attr"`
			Height string  `xml:"height,attr"`
		} `xml:"rect"`
		Text []string `xml:"text"`
		Path []string `xml:"path"`
	}
	var out strings.Builder
	if err := small("<a>").WriteSVG(&out); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal([]byte(out.String()), &svg); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(svg.Text, "|"); got != "<a>|manifest|config|layer|1 kB <&>|image|b" || len(svg.Path) != 5 {
		t.Errorf("texts %s, %d edges", got, len(svg.Path))
	}
	last := map[string]float64{}
	for _, box := range svg.Rect[1:] {
		if y, ok := last[box.X]; ok && box.Y < y+40 || box.Y+40 > svg.Height {
			t.Errorf("a box at %s, %v, after one at %v, in a drawing of %v", box.X, box.Y, y, svg.Height)
		}
		last[box.X] = box.Y
	}
	if len(last) != 4 {
		t.Errorf("%d columns", len(last))
	}
}

// FuzzName: whatever a name is, the drawings are of their form and hold no control characters.
func FuzzName(f *testing.F) {
	for _, seed := range []string{"a", "\x1b[31m", "]]>", `"\`, "\xff\u202e", "</svg>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		g := small(name)
		for i, write := range []func(io.Writer) error{g.WriteSVG, g.WriteText, g.WriteDOT} {
			var out strings.Builder
			if err := write(&out); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsFunc(out.String(), func(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\t' }) {
				t.Errorf("%q", out.String())
			}
			if i > 0 {
				continue // no XML
			}
			in := xml.NewDecoder(strings.NewReader(out.String()))
			var err error
			for err == nil {
				_, err = in.Token()
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("%v in %s", err, out.String())
			}
		}
	})
}
