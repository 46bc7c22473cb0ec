package writelog

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
)

// write makes a log of some entries with their data.
func write(t *testing.T, entries map[int]entry, data map[int]string, count uint64) string {
	t.Helper()
	var b bytes.Buffer
	put := func(v any) {
		start := b.Len()
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
		b.Write(make([]byte, 512-(b.Len()-start)))
	}
	put(header{magic, 1, count, 512})
	for i := range len(entries) {
		put(entries[i])
		if text := data[i]; text != "" {
			b.WriteString(text)
			b.Write(make([]byte, int(entries[i].Sectors)*512-len(text)))
		}
	}
	name := t.TempDir() + "/log"
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLog(t *testing.T) {
	entries := map[int]entry{0: {1, 1, 0, 0}, 1: {0, 0, Flush, 0}, 2: {2, 2, discard, 0}, 3: {4, 2, FUA, 0}, 4: {1, 1, 0, 0}}
	l, err := Open(write(t, entries, map[int]string{0: "one", 3: string(Mark("tag a")), 4: "two"}, 5))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if len(l.Entries) != 5 {
		t.Fatalf("%+v", l.Entries)
	}
	marks, err := l.Marks()
	if err != nil || len(marks) != 1 || marks[3] != "tag a" {
		t.Errorf("%v, %v", marks, err)
	}
	for n, want := range []int{0, 0, 2, 2, 2} {
		if got := l.Before(n); got != want {
			t.Errorf("before entry %d all before %d is durable, want %d", n, got, want)
		}
	}
	disk, err := os.Create(t.TempDir() + "/disk")
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	for _, e := range l.Entries[:4] {
		if err := l.Apply(disk, e); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(disk.Name())
	if err != nil || len(text) != 3072 || string(text[512:515]) != "one" || !bytes.HasPrefix(text[2048:], []byte("MARK tag a\n")) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// TestNoLog: what is none is refused, and one that was cut off by a kill is read.
func TestNoLog(t *testing.T) {
	name := t.TempDir() + "/x"
	if err := os.WriteFile(name, make([]byte, 4096), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name); err == nil {
		t.Error("zeros are a log")
	}
	l, err := Open(write(t, map[int]entry{0: {1, 1, 0, 0}}, map[int]string{0: "one"}, 0))
	if err != nil || len(l.Entries) != 1 {
		t.Errorf("%+v, %v", l, err)
	}
}
