package layer

import "cfs/lib/tree"

// marks tell, in the Mark of an inode, what the layer that is added has to do with it. Of
// other layers they mean nothing.
type marks struct{ layer uint32 }

// The marks of an inode, below the number of the layer that made them.
const (
	own     uint32 = 1 << iota // of the layer, or given its metadata by it
	touched                    // a directory that the layer has members below
	cleared                    // a directory without anything of lower layers in it

	layerStep
)

// next begins another layer.
func (k *marks) next() { k.layer += layerStep }

// of returns the marks of an inode.
func (k *marks) of(n *tree.Inode) uint32 {
	if n.Mark < k.layer {
		return 0
	}
	return n.Mark % layerStep
}

func (k *marks) has(n *tree.Inode, mark uint32) bool { return k.of(n)&mark != 0 }

// mark adds to the marks of an inode.
func (k *marks) mark(n *tree.Inode, mark uint32) { n.Mark = k.layer | k.of(n) | mark }
