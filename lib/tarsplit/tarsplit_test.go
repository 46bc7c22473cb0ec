package tarsplit

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/lib/corrupt"
)

func readAll(text string) (items []Item, err error) {
	r := NewReader(strings.NewReader(text))
	for {
		i, err := r.Next()
		if err == io.EOF {
			return items, nil
		}
		if err != nil {
			return items, err
		}
		items = append(items, i)
	}
}

func TestRead(t *testing.T) {
	got, err := readAll(`{"type":2,"payload":"AAEC","position":0}
{"type":1,"name":"usr/bin/tool","size":70,"payload":"AAAAAAAAAAA=","position":1}
{"type":1,"name_raw":"dXNyL/8=","payload":"","position":2}
{"type":2,"payload":"","position":3}
`)
	want := []Item{{Bytes: []byte{0, 1, 2}}, {Name: "usr/bin/tool", Size: 70, CRC: make([]byte, 8)}, {Name: "usr/\xff", CRC: []byte{}}, {Bytes: []byte{}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestRefuse(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":      "tar-split\n",
		"other type":   `{"type":3}` + "\n",
		"no base64":    `{"type":2,"payload":"?"}` + "\n",
		"negative":     `{"type":1,"name":"a","size":-1}` + "\n",
		"overflow":     `{"type":1,"name":"a","size":9223372036854775807}` + "\n" + `{"type":1,"name":"b","size":1}` + "\n",
		"too large":    `{"type":1,"name":"a","size":9223372036854775808}` + "\n",
		"long line":    `{"type":2,"payload":"` + strings.Repeat("A", maxLine) + `"}` + "\n",
		"endless line": strings.Repeat("[", maxLine+1),
	} {
		if _, err := readAll(text); !corrupt.Is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := NewReader(io.MultiReader(strings.NewReader(`{"type":2`), failing{}))
	if _, err := r.Next(); err != io.ErrClosedPipe {
		t.Errorf("an error of the reader: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzReader(f *testing.F) {
	f.Add(`{"type":2,"payload":"AAEC","position":0}` + "\n" + `{"type":1,"name":"a","size":70,"payload":"AAAAAAAAAAA=","position":1}` + "\n")
	f.Add(`{"type":1,"name_raw":"/w==","position":0}`)
	f.Add(`{"type":1,"size":1e3}`)
	f.Fuzz(func(t *testing.T, text string) {
		items, err := readAll(text)
		if err != nil && !corrupt.Is(err) {
			t.Errorf("not marked as corrupt: %v", err)
		}
		for _, i := range items {
			if i.Size < 0 || i.Bytes != nil && (i.Size != 0 || i.Name != "" || i.CRC != nil) {
				t.Errorf("item %+v", i)
			}
		}
	})
}
