// Package writelog reads the log of all writes and flushes of a disk, and constructs the possible
// states of the disk after a power cut at any of them. The log has the format of the kernel's
// dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst), which qemu's
// blklogwrites also writes.
package writelog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// The flags of an entry.
const (
	Flush   = 1 << iota // all writes before it are durable
	FUA                 // the write itself is durable
	discard             // it has no data
)

// Entry is a write or a flush.
type Entry struct {
	At, Size int64  // in bytes
	Flags    uint64 // see Flush
	data     int64  // where in the log its data begin
}

// Log is a log that was read.
type Log struct {
	Entries []Entry
	file    *os.File
}

// header and entry are struct log_write_super and log_write_entry of
// drivers/md/dm-log-writes.c, each of which has a sector of its own.
type header struct {
	Magic, Version, Entries uint64
	SectorSize              uint32
}

type entry struct{ Sector, Sectors, Flags, Data uint64 }

const magic = 0x6a736677736872

// Open reads which entries a log has. Their data are read when they are needed.
func Open(name string) (*Log, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	l := &Log{file: f}
	if err := l.read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// Close closes the file of the log.
func (l *Log) Close() error { return l.file.Close() }

func (l *Log) read() error {
	var h header
	if err := l.readAt(0, &h); err != nil {
		return err
	}
	if h.Magic != magic || h.Version != 1 || h.SectorSize == 0 {
		return fmt.Errorf("no log of writes: %+v", h)
	}
	sector := int64(h.SectorSize)
	for at := sector; ; {
		var e entry
		// A machine that was killed has not written the number of entries.
		if err := l.readAt(at, &e); err == io.EOF || err == nil && e == (entry{}) && uint64(len(l.Entries)) >= h.Entries {
			return nil
		} else if err != nil {
			return err
		}
		at += sector
		l.Entries = append(l.Entries, Entry{int64(e.Sector) * sector, int64(e.Sectors) * sector, e.Flags, at})
		if e.Flags&discard == 0 {
			at += int64(e.Sectors) * sector
		}
	}
}

func (l *Log) readAt(at int64, v any) error {
	return binary.Read(io.NewSectionReader(l.file, at, 4096), binary.LittleEndian, v)
}

// Apply does the write of an entry to a disk.
func (l *Log) Apply(disk io.WriterAt, e Entry) error {
	if e.Flags&discard != 0 || e.Size == 0 {
		return nil
	}
	data := make([]byte, e.Size)
	if _, err := l.file.ReadAt(data, e.data); err != nil {
		return err
	}
	_, err := disk.WriteAt(data, e.At)
	return err
}

// markStart is how a mark begins: a line of text that a test writes to a place of the disk
// that nobody else uses.
const markStart = "MARK "

// Mark returns the block that is a mark.
func Mark(text string) []byte { return append([]byte(markStart), text+"\n"...) }

// Marks returns the texts of the marks, by the index of their entries.
func (l *Log) Marks() (map[int]string, error) {
	marks := map[int]string{}
	head := make([]byte, 512)
	for i, e := range l.Entries {
		if e.Size < int64(len(head)) || e.Flags&discard != 0 {
			continue
		}
		if _, err := l.file.ReadAt(head, e.data); err != nil {
			return nil, err
		}
		if text, ok := bytes.CutPrefix(head, []byte(markStart)); ok {
			line, _, _ := bytes.Cut(text, []byte("\n"))
			marks[i] = string(line)
		}
	}
	return marks, nil
}

// Before returns the index behind the last flush that is before an entry.
func (l *Log) Before(n int) int {
	for n--; n >= 0; n-- {
		if l.Entries[n].Flags&Flush != 0 {
			return n + 1
		}
	}
	return 0
}
