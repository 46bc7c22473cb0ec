package record

import (
	"errors"
	"io"
	"strings"
	"testing"
)

var sum = "sha256:" + strings.Repeat("0a", 32)

// TestSpelling: each line is read, and written again as it was.
func TestSpelling(t *testing.T) {
	for _, line := range []string{
		"layer " + sum,
		"layer - path=a%20b",
		"image " + strings.Repeat("ab", 64) + " variant=plain erofs-version=1",
		"unknown - x=%00%25%7F y= z=a=b",
		"tag " + sum + " name=größe/%FF",
		"tag " + sum + " name=a%C2%9B\u00a0%9B",
		"layer - v=2 kind=x status=007 entry-=",
		`{"v":2,"kind":"layer","digest":"-","path":"a b%20\"c <&>\u0085"}`,
		`{"v":2,"kind":"failed","digest":"-","size":18446744073709551615,"status":75,"other":"1","x":{"bytes":"AP8="}}`,
		`{"v":2,"kind":"layer","digest":"-","entry-kind":"1","entry-v":"2","size":"01"}`,
	} {
		r, err := Parse(line)
		if err != nil {
			t.Error(err)
			continue
		}
		got := r.String()
		if line[0] == '{' {
			got = r.JSON()
		}
		if got != line {
			t.Errorf("%q came back as %q", line, got)
		}
		again, err := Parse(r.JSON())
		if err != nil || again.String() != r.String() {
			t.Errorf("%q as JSON: %v, %v", line, again, err)
		}
	}
}

func TestRefuse(t *testing.T) {
	for _, line := range []string{
		"", "layer", "layer  " + sum, "layer " + sum + " ", "layer " + sum + "  a=b", " layer " + sum,
		"layer sha256:abc", "layer " + strings.Repeat("AB", 32), "layer - a", "layer - =b", "layer - a=1 a=2", "layer - a=%2f",
		"layer - a=%", "layer - a=%4", "layer - a=%41", "layer - a=\x7f", "layer - a=\xff", "layer - digest=1", "lay\ter -",
		"layer - entry-kind=1", "layer - entry-v=1",
		`{"v":3,"kind":"layer","digest":"-"}`, `{"v":2.0,"kind":"layer","digest":"-"}`, `{"v":"2","v":2,"kind":"layer","digest":"-"}`,
		`{"v":2,"kind":"layer","digest":"-","size":"1"}`, `{"v":2,"kind":"layer","digest":"-","size":1.5}`, `{"v":2,"kind":"layer","digest":"-","size":-1}`,
		`{"v":2,"kind":"layer","digest":"-","size":18446744073709551616}`, `{"v":2,"kind":"layer","digest":"-","a":1}`, `{"v":2,"kind":"layer","digest":"-","a":[]}`,
		`{"v":2,"kind":"layer","digest":"-","a":null}`, `{"v":2,"kind":"layer","digest":"-","a":{}}`, `{"v":2,"kind":"layer","digest":"-","a":{"bytes":"YQ=="}}`,
		`{"v":2,"kind":"layer","digest":"-","a":{"bytes":"/w"}}`, `{"v":2,"kind":"layer","digest":"-","a":{"bytes":"/w==","b":""}}`, `{"v":2,"kind":"layer","digest":"-","a":{"bytes":1}}`,
		`{"v":2,"kind":"layer","digest":"-","a":"1","a":"2"}`, `{"v":2,"kind":"layer","digest":"-","a":"` + "\xff" + `"}`, `{"v":2,"kind":"layer","digest":"-"`,
		"{", "{}", `{"kind":"layer"}`, `{"kind":"layer","digest":"-","a":1}`, `{"kind":"layer","digest":"-"}{}`, `{"kind":"layer","digest":"-","kind":"x"}`,
	} {
		if r, err := Parse(line); err == nil {
			t.Errorf("%q: taken as %v", line, r)
		}
	}
}

// TestOldJSON: objects without a version are of version 1, with values escaped as in text.
func TestOldJSON(t *testing.T) {
	for line, want := range map[string]string{
		`{"kind":"layer","digest":"-","path":"a%20b\"c","size":"12"}`:  `layer - path=a%20b"c size=12`,
		`{"kind":"layer","digest":"-","entry-kind":"x%FF","v":"2"}`:    "layer - kind=x%FF v=2",
		`{"digest":"-","size":12,"kind":"layer","v":2,"path":"a%20b"}`: "layer - size=12 path=a%2520b", // sorted by somebody
	} {
		if r, err := Parse(line); err != nil || r.String() != want {
			t.Errorf("%s: %q, %v, want %q", line, r.String(), err, want)
		}
	}
}

func TestReader(t *testing.T) {
	r := NewReader(strings.NewReader("# comment\n\nlayer - a=1\n{\"kind\":\"x\",\"digest\":\"-\"}\n"))
	for _, want := range []string{"layer - a=1", "x -"} {
		if got, err := r.Next(); err != nil || got.String() != want {
			t.Errorf("got %v, %v; want %s", got, err, want)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	for _, text := range []string{"layer -", strings.Repeat("x", MaxLine) + "\n"} {
		if _, err := NewReader(strings.NewReader(text)).Next(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// TestFailureIsLast: nothing comes after the record of a failure.
func TestFailureIsLast(t *testing.T) {
	var out strings.Builder
	w := Writer{Out: &out}
	for i, kind := range []string{"layer", "failed", "layer"} {
		if err := w.Write(Record{Kind: kind, Digest: None}); (err == nil) != (i < 2) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if out.String() != "layer -\nfailed -\n" {
		t.Errorf("written: %q", out.String())
	}
}

func FuzzParse(f *testing.F) {
	f.Add("layer " + sum + " path=/a%20b size=1")
	f.Add(`{"kind":"layer","digest":"-","path":"x"}`)
	f.Add(`{"v":2,"kind":"layer","digest":"-","path":"x","size":1,"a":{"bytes":"AP8="}}`)
	f.Add("layer - v=1 kind=%FF size=01 status=3")
	f.Fuzz(func(t *testing.T, line string) {
		r, err := Parse(line)
		if err != nil {
			return
		}
		if line[0] != '{' && r.String() != line {
			t.Errorf("%q came back as %q", line, r.String())
		}
		again, err := Parse(r.JSON())
		if err != nil || again.String() != r.String() {
			t.Errorf("%q as JSON: %v, %v", line, again, err)
		}
	})
}
