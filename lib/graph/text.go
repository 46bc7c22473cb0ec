package graph

import (
	"bufio"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText writes the graph as a tree, a line for each node, below the one that leads to it.
// What is below a node that has several before it stands where it is met first.
func (g Graph) WriteText(w io.Writer) error {
	buffered := bufio.NewWriter(w)
	out := tabwriter.NewWriter(buffered, 0, 8, 2, ' ', 0)
	t := text{out: out, seen: map[*Node]bool{}}
	for _, n := range g.Roots {
		t.write(n, 0)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return buffered.Flush()
}

type text struct {
	out  io.Writer
	seen map[*Node]bool
}

// write writes a node and what is below it. Errors come back from the flush.
func (t *text) write(n *Node, depth int) {
	line := strings.Repeat("  ", depth) + n.name()
	again := t.seen[n] && len(n.To) > 0
	switch {
	case again:
		line += "\t(above)"
	case n.Notes != "":
		line += "\t" + n.notes()
	}
	io.WriteString(t.out, line+"\n")
	if again {
		return
	}
	t.seen[n] = true
	for _, to := range n.To {
		t.write(to, depth+1)
	}
}
