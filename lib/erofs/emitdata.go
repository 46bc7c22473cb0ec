package erofs

import "golang.org/x/sys/unix"

// appendTail appends what lies after the xattrs of a node.
func (e *emitter) appendTail(n *node) {
	if n.tail == 0 {
		return
	}
	switch in := n.inode; in.Type() {
	case unix.S_IFDIR:
		list := e.entries[n.entries:n.entriesEnd]
		for range n.blocks {
			count, _ := nextChunk(list)
			list = list[count:]
		}
		e.appendDirents(list)
	case unix.S_IFLNK:
		e.buf = append(e.buf, in.Target...)
	case unix.S_IFREG:
		if n.layout == chunkBased {
			e.appendChunkEntries(int(n.tail))
		} else {
			e.buf = append(e.buf, in.Inline[len(in.Inline)-int(n.tail):]...)
		}
	}
}

// appendBlocks appends the data blocks of a node.
func (e *emitter) appendBlocks(n *node) {
	end := e.pos + uint64(len(e.buf)) + uint64(n.blocks)*blockSize
	switch in := n.inode; in.Type() {
	case unix.S_IFDIR:
		list := e.entries[n.entries:n.entriesEnd]
		for i := range uint64(n.blocks) {
			e.padTo(end - (uint64(n.blocks)-i)*blockSize)
			count, _ := nextChunk(list)
			e.appendDirents(list[:count])
			list = list[count:]
		}
	case unix.S_IFLNK:
		e.buf = append(e.buf, in.Target...)
	case unix.S_IFREG:
		if n.layout == chunkBased {
			e.appendChunkEntries(blockSize)
		} else {
			e.buf = append(e.buf, in.Inline[:len(in.Inline)-int(n.tail)]...)
		}
	}
	e.padTo(end)
}

// appendChunkEntries appends entries of no block: the data is not in the image.
func (e *emitter) appendChunkEntries(size int) {
	for range size {
		e.buf = append(e.buf, 0xff)
	}
}

// appendDirents appends a chunk of a directory: the entries, then their names.
func (e *emitter) appendDirents(list []entry) {
	offset := direntSize * len(list)
	for _, d := range list {
		n := &e.nodes[d.node]
		e.buf = le.AppendUint64(e.buf, uint64(n.nid))
		e.buf = le.AppendUint16(e.buf, uint16(offset))
		e.buf = append(e.buf, fileTypes[n.mode>>modeShift], 0)
		offset += len(d.name)
	}
	for _, d := range list {
		e.buf = append(e.buf, d.name...)
	}
}
