package tree

import (
	"iter"
	"slices"
	"strings"
)

// Entry is a name in a directory.
type Entry struct {
	Name  string
	Inode *Inode
}

// entries are those of a directory. Most directories have few: a list of them, in no
// certain order, takes a fifth of the memory of a map.
type entries struct {
	few  []Entry
	many map[string]*Inode // all of them, once there were more than maxFew
}

const maxFew = 8

func (e *entries) find(name string) int {
	return slices.IndexFunc(e.few, func(e Entry) bool { return e.Name == name })
}

// inodes yields what the names of a directory lead to, in no certain order.
func (e *entries) inodes() iter.Seq[*Inode] {
	return func(yield func(*Inode) bool) {
		if e == nil {
			return
		}
		for _, entry := range e.few {
			if !yield(entry.Inode) {
				return
			}
		}
		for _, n := range e.many {
			if !yield(n) {
				return
			}
		}
	}
}

// Lookup returns the entry of directory n with that name, nil if there is none.
func (n *Inode) Lookup(name string) *Inode {
	e := n.entries
	if e == nil {
		return nil
	}
	if e.many != nil {
		return e.many[name]
	}
	if i := e.find(name); i >= 0 {
		return e.few[i].Inode
	}
	return nil
}

// Put gives child a name in directory n, in place of what had it.
func (n *Inode) Put(name string, child *Inode) {
	if n.entries == nil {
		n.entries = &entries{}
	}
	e := n.entries
	if e.many != nil {
		e.many[name] = child
		return
	}
	if i := e.find(name); i >= 0 {
		e.few[i].Inode = child
		return
	}
	if len(e.few) < maxFew {
		e.few = append(e.few, Entry{name, child})
		return
	}
	e.many = make(map[string]*Inode, 2*maxFew)
	for _, old := range e.few {
		e.many[old.Name] = old.Inode
	}
	e.many[name], e.few = child, nil
}

// Remove takes a name out of directory n; that it is missing is fine.
func (n *Inode) Remove(name string) {
	e := n.entries
	if e == nil {
		return
	}
	delete(e.many, name)
	if i := e.find(name); i >= 0 {
		e.few = slices.Delete(e.few, i, i+1)
	}
}

// Clear takes all names out of directory n.
func (n *Inode) Clear() { n.entries = nil }

// TakeEntries gives n the entries of directory from, which is not used any more.
func (n *Inode) TakeEntries(from *Inode) { n.entries = from.entries }

// Len returns the number of entries of directory n.
func (n *Inode) Len() int {
	if n.entries == nil {
		return 0
	}
	return len(n.entries.few) + len(n.entries.many)
}

// Entries returns the entries of directory n in byte order of their names.
func (n *Inode) Entries() []Entry {
	list := make([]Entry, 0, n.Len())
	if n.entries != nil {
		list = append(list, n.entries.few...)
		for name, child := range n.entries.many {
			list = append(list, Entry{name, child})
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Subdirs counts the entries of directory n that are directories themselves:
// its link count less 2.
func (n *Inode) Subdirs() uint32 {
	var count uint32
	for child := range n.entries.inodes() {
		if child.IsDir() {
			count++
		}
	}
	return count
}
