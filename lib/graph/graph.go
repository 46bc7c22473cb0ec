// Package graph draws graphs: as a text tree, in the DOT language of Graphviz, and as SVG.
//
// Nodes have ranks, the columns of a drawing, and edges lead from a rank to a later one. The
// package does not interpret the nodes.
package graph

import "cfs/lib/terminal"

// Node is a node of a graph.
type Node struct {
	Rank  int    // the column, from 0; one of Ranks
	Name  string // may hold any bytes
	Notes string // what else is known of it, in a few words; as Name
	To    []*Node
}

// Ranks is how many ranks there are.
const Ranks = 4

// Graph is a graph by the nodes that nothing leads to.
type Graph struct{ Roots []*Node }

// name is the name of a node, as text that does nothing to who shows it.
func (n *Node) name() string { return terminal.Name(n.Name) }

func (n *Node) notes() string { return terminal.Name(n.Notes) }

// nodes returns all nodes, each once, in the order in which they are met.
func (g Graph) nodes() (list []*Node) {
	seen := map[*Node]bool{}
	var visit func(*Node)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		list = append(list, n)
		for _, to := range n.To {
			visit(to)
		}
	}
	for _, n := range g.Roots {
		visit(n)
	}
	return list
}
