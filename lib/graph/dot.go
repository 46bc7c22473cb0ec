package graph

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// quoteDOT writes the text of a DOT string: only quotes and backslashes are special in one.
var quoteDOT = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

// WriteDOT writes the graph in the DOT language.
func (g Graph) WriteDOT(w io.Writer) error {
	out := bufio.NewWriter(w) // Flush returns the errors of all writes
	out.WriteString("digraph {\n\trankdir=LR;\n\tnode [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11];\n")
	nodes := g.nodes()
	number := make(map[*Node]int, len(nodes))
	for i, n := range nodes {
		number[n] = i
		label := quoteDOT.Replace(n.name())
		if n.Notes != "" {
			label += `\n` + quoteDOT.Replace(n.notes())
		}
		fmt.Fprintf(out, "\tn%d [label=\"%s\"];\n", i, label)
	}
	for _, n := range nodes {
		for _, to := range n.To {
			fmt.Fprintf(out, "\tn%d -> n%d;\n", number[n], number[to])
		}
	}
	out.WriteString("}\n")
	return out.Flush()
}
