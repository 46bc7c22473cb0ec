// Package tarsplit reads tar-split, which contains everything of a tar except the content of its
// files: together with the files, the exact tar can be rebuilt. Container engines store it with
// the files of a layer, and writers of zstd:chunked include it in the blob.
//
// The format is lines of JSON in the order of the tar; each line contains bytes of the tar or
// marks the position of a member's content (github.com/vbatts/tar-split, tar/storage).
package tarsplit

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math"

	"cfs/lib/corrupt"
)

// maxLine is how long a line may be in bytes: writers cut bytes of the tar into pieces of a few KiB.
const maxLine = 4 << 20

// Item is one of bytes of the tar and the content of a member.
type Item struct {
	Bytes []byte // of the tar, nil for a member
	Name  string // of the member; what is not UTF-8 is as it is in the tar
	Size  int64  // of its content in bytes, 0 for a member without any
	CRC   []byte // CRC-64 of the content as the writer says, nil if it says none, or if the Reader is Brief
}

// Reader reads tar-split that is not compressed any more.
type Reader struct {
	Brief bool // bytes of the tar are not decoded: their items are empty

	lines *bufio.Scanner
	total int64 // bytes of the tar so far
}

// NewReader returns a Reader of in. Memory is bounded by the longest line that it reads, 4 MiB.
func NewReader(in io.Reader) *Reader {
	r := &Reader{lines: bufio.NewScanner(in)}
	r.lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	return r
}

// The types of a line.
const (
	typeFile  = 1
	typeBytes = 2
)

// line is one line.
type line struct {
	Type    int    `json:"type"`
	Name    string `json:"name"`
	NameRaw []byte `json:"name_raw"` // if it is not UTF-8
	Size    int64  `json:"size"`
	Payload []byte `json:"payload"` // of a member its CRC-64
}

// decode reads the current line.
func (r *Reader) decode() (l line, err error) {
	if !r.Brief {
		err = json.Unmarshal(r.lines.Bytes(), &l)
		return l, err
	}
	var b struct {
		Type int    `json:"type"`
		Name string `json:"name"`
		Size int64  `json:"size"`
	}
	err = json.Unmarshal(r.lines.Bytes(), &b)
	return line{Type: b.Type, Name: b.Name, Size: b.Size}, err
}

// Next returns the next item, io.EOF behind the last one. The error is marked as corrupt if the
// line is none; errors of the reader come as they are.
func (r *Reader) Next() (Item, error) {
	if !r.lines.Scan() {
		err := r.lines.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			return Item{}, corrupt.Errorf("tar-split: a line is longer than %d bytes", maxLine)
		}
		if err == nil {
			err = io.EOF
		}
		return Item{}, err
	}
	l, err := r.decode()
	if err != nil {
		if r.lines.Err() != nil { // of the reader, which has cut the line
			return Item{}, r.lines.Err()
		}
		return Item{}, corrupt.Errorf("tar-split: %w", err)
	}
	i := Item{Name: l.Name, Size: l.Size, CRC: l.Payload}
	n := l.Size
	switch {
	case l.Type == typeBytes:
		i, n = Item{Bytes: l.Payload}, int64(len(l.Payload))
		if i.Bytes == nil {
			i.Bytes = []byte{}
		}
	case l.Type != typeFile:
		return Item{}, corrupt.Errorf("tar-split: a line of type %d", l.Type)
	case l.NameRaw != nil:
		i.Name = string(l.NameRaw)
	}
	if n < 0 || n > math.MaxInt64-r.total {
		return Item{}, corrupt.Errorf("tar-split: %.300q has %d bytes", i.Name, n)
	}
	r.total += n
	return i, nil
}
