package graph

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Measures of the drawing, in pixels.
const (
	boxHeight = 40
	rowHeight = 52  // from one box of a column to the next
	gap       = 70  // between two columns, for the edges
	margin    = 12  // around all, and left of texts
	character = 7.3 // that a character of the larger font takes at most, on average
)

// placed is where nodes are: each rank is a column, and a node stands in the middle of what
// it leads to, unless that place is taken.
type placed struct {
	nodes []*Node
	y     map[*Node]float64
	x     [Ranks]float64 // of columns
	width [Ranks]float64
}

// place lays out the nodes.
func (g Graph) place() placed {
	p := placed{nodes: g.nodes(), y: map[*Node]float64{}}
	var free [Ranks]float64 // the first free place of each column
	var set func(n *Node)
	set = func(n *Node) {
		if _, ok := p.y[n]; ok {
			return
		}
		first, last := free[n.Rank], free[n.Rank]
		for i, to := range n.To {
			set(to)
			if i == 0 {
				first = p.y[to]
			}
			last = p.y[to]
		}
		p.y[n] = max((first+last)/2, free[n.Rank])
		free[n.Rank] = p.y[n] + rowHeight
	}
	for _, n := range g.Roots {
		set(n)
	}
	for _, n := range p.nodes {
		chars := max(utf8.RuneCountInString(n.name()), utf8.RuneCountInString(n.notes()))
		p.width[n.Rank] = max(p.width[n.Rank], float64(chars)*character+2*margin)
	}
	at := float64(margin)
	for rank, width := range p.width {
		p.x[rank] = at
		if width > 0 {
			at += width + gap
		}
	}
	return p
}

// size returns the size of the drawing.
func (p placed) size() (width, height float64) {
	for _, n := range p.nodes {
		width = max(width, p.x[n.Rank]+p.width[n.Rank]+margin)
		height = max(height, p.y[n]+boxHeight+2*margin)
	}
	return width, height
}

// colors are those of the boxes of each rank.
var colors = [Ranks]string{"#dbeafe", "#fef3c7", "#dcfce7", "#f3f4f6"}

// WriteSVG writes the graph as an SVG drawing, which needs nothing besides.
func (g Graph) WriteSVG(w io.Writer) error {
	p := g.place()
	out := bufio.NewWriter(w) // Flush returns the errors of all writes
	width, height := p.size()
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintln(out, `<rect width="100%" height="100%" fill="white"/>`)
	for _, n := range p.nodes {
		for _, to := range n.To {
			p.edge(out, n, to)
		}
	}
	for _, n := range p.nodes {
		p.box(out, n)
	}
	fmt.Fprintln(out, "</svg>")
	return out.Flush()
}

// edge draws a curve from the right side of a box to the left side of another.
func (p placed) edge(out io.Writer, from, to *Node) {
	x1, y1 := p.x[from.Rank]+p.width[from.Rank], p.y[from]+margin+boxHeight/2
	x2, y2 := p.x[to.Rank], p.y[to]+margin+boxHeight/2
	middle := (x1 + x2) / 2
	fmt.Fprintf(out, `<path d="M%.1f,%.1f C%.1f,%.1f %.1f,%.1f %.1f,%.1f" fill="none" stroke="#9ca3af"/>`+"\n", x1, y1, middle, y1, middle, y2, x2, y2)
}

func (p placed) box(out io.Writer, n *Node) {
	x, y := p.x[n.Rank], p.y[n]+margin
	fmt.Fprintf(out, `<rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="6" fill="%s" stroke="#6b7280"/>`+"\n", x, y, p.width[n.Rank], boxHeight, colors[n.Rank])
	if n.Notes == "" {
		fmt.Fprintf(out, `<text x="%.1f" y="%.1f">%s</text>`+"\n", x+margin, y+boxHeight/2+4, escapeXML(n.name()))
		return
	}
	fmt.Fprintf(out, `<text x="%.1f" y="%.1f">%s</text>`+"\n", x+margin, y+17, escapeXML(n.name()))
	fmt.Fprintf(out, `<text x="%.1f" y="%.1f" font-size="10" fill="#4b5563">%s</text>`+"\n", x+margin, y+32, escapeXML(n.notes()))
}

func escapeXML(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a Builder takes all
	return b.String()
}
