package built

import (
	"bytes"
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cfs/lib/internal/repotest"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

func example(a verity.Algorithm) Memo {
	return Memo{
		Config:  digest.FromString("config"),
		Streams: []verity.ID{a.Sum([]byte("1")), a.Sum([]byte("2")), a.Sum([]byte("1"))},
		Images: []Image{
			{variant.Variant{Format: variant.V1}, a.Sum([]byte("plain")), 4096},
			{variant.Variant{Boot: true, Format: variant.V2, Xattrs: variant.KeepUserXattrs}, a.Sum([]byte("boot")), 1 << 40},
		},
		Warnings: []string{`layer 1: "usr/\x1b": odd`, "  spaces  and " + strings.Repeat("much ", 50_000)},
	}
}

// TestMemo: what was written is read, and nothing that is cut anywhere, or changed.
func TestMemo(t *testing.T) {
	for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		r, m := repotest.New(t, a), example(a)
		if _, err := Read(r, m.Config); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("none: %v", err)
		}
		if err := m.Write(r); err != nil {
			t.Fatal(err)
		}
		if err := m.Write(r); err != nil { // which changes nothing
			t.Fatal(err)
		}
		if got, err := Read(r, m.Config); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v, %v", got, err)
		}
		// A memo under the name of another config is none of it.
		other := digest.FromString("other")
		if err := r.WriteNote("built/"+other.String(), m.text()); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(r, other); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	m := example(verity.SHA256)
	m.Warnings = m.Warnings[:1]
	text := m.text()
	for n := range text {
		if m, err := parse(text[:n]); err == nil {
			t.Errorf("cut at %d: %+v", n, m)
		}
		changed := bytes.Clone(text)
		changed[n] ^= 1
		if m, err := parse(changed); err == nil {
			t.Errorf("changed at %d: %+v", n, m)
		}
	}
}

func FuzzMemo(f *testing.F) {
	f.Add(example(verity.SHA256).text())
	f.Add(Memo{Config: digest.FromString("config")}.text())
	f.Add([]byte("rules 1\nimage x 1 plain 1 allowlist\nend"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := parse(text); err == nil && !bytes.Equal(m.text(), text) {
			t.Errorf("%q is read as %+v", text, m)
		}
	})
}
