package boot

import (
	"slices"
	"strings"
	"testing"

	"cfs/lib/corrupt"
	"cfs/lib/verity"
)

var (
	id256 = verity.SHA256.Sum([]byte("some image"))
	id512 = verity.SHA512.Sum([]byte("some image"))
	other = verity.SHA512.Sum([]byte("another image"))
)

// TestFindKarg: what the reference was seen to take, and to refuse.
func TestFindKarg(t *testing.T) {
	v1, v2, short := "composefs.digest=v1-sha512-12:"+id512.String(), "composefs="+id512.String(), "composefs.digest=v1-sha256-12:"+id256.String()
	for _, c := range []struct {
		cmdline string
		want    Karg
		says    string // an error
	}{
		{"", Karg{}, ""},
		{"rw quiet", Karg{}, ""},
		{"rw " + v1 + " quiet", Karg{1, id512, false}, ""},
		{v2, Karg{2, id512, false}, ""},
		{"composefs.digest=?v1-sha512-12:" + id512.String(), Karg{1, id512, true}, ""},
		{"composefs.digest=v2-sha512-12:" + id512.String(), Karg{2, id512, false}, ""},
		{"composefs=?" + id512.String(), Karg{2, id512, true}, ""},
		{"composefs=" + strings.ToUpper(id512.String()), Karg{2, id512, false}, ""},
		{v1 + "\n", Karg{1, id512, false}, ""},
		{v1 + "\x00", Karg{}, "is not an fs-verity digest"},
		{v1 + "\v", Karg{}, "is not an fs-verity digest"},
		{`"` + v1 + `"`, Karg{}, ""},
		{`a="x y ` + v1 + `"`, Karg{}, ""},
		{`a="x "` + " " + v1, Karg{1, id512, false}, ""},
		{v2 + " composefs.digest=v1-sha512-12:" + other.String(), Karg{1, other, false}, ""},
		{"composefs=" + other.String() + " " + v2, Karg{2, other, false}, ""},
		{short + " " + v1, Karg{1, id512, false}, ""},
		{"composefs.digest=v1-sha256-12:nonsense " + v1, Karg{1, id512, false}, ""},
		{short, Karg{}, ""},
		{short + " " + v2, Karg{2, id512, false}, ""},
		{"composefs=" + id256.String(), Karg{}, "is not a digest by sha512"},
		{"composefs.digest=v1-sha512-12:" + id256.String(), Karg{}, "is not a digest by sha512"},
		{"composefs.digest=v3-sha512-12:" + id512.String() + " " + v1, Karg{}, `unknown format "v3"`},
		{"composefs.digest=v1-sha512-16:" + id512.String() + " " + v1, Karg{}, `"sha512-16"`},
		{"composefs.digest=v1-sha512:" + id512.String() + " " + v1, Karg{}, `"sha512"`},
		{"composefs.digest=v1-md5-12:" + id512.String() + " " + v1, Karg{}, `"md5-12"`},
		{"composefs.digest=" + id512.String() + " " + v1, Karg{}, "want FORMAT-HASH-12:DIGEST"},
		{"composefs.digest=v1:" + id512.String(), Karg{}, "want FORMAT-HASH-12:DIGEST"},
		{"composefs.digest=v1-sha512-12:?" + id512.String(), Karg{}, "is not an fs-verity digest"},
		{v1 + " composefs.digest=nonsense", Karg{1, id512, false}, ""},
		{"composefs=", Karg{}, "is not an fs-verity digest"},
	} {
		got, err := FindKarg(c.cmdline, verity.SHA512)
		switch {
		case c.says == "" && err != nil || got != c.want:
			t.Errorf("%q: got %+v, error %v, want %+v", c.cmdline, got, err, c.want)
		case c.says != "" && (!corrupt.Is(err) || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%q: error %v, want one that says %q", c.cmdline, err, c.says)
		}
	}
}

func TestKargString(t *testing.T) {
	for want, k := range map[string]Karg{
		"composefs.digest=v1-sha512-12:" + id512.String():  {1, id512, false},
		"composefs.digest=?v1-sha256-12:" + id256.String(): {1, id256, true},
		"composefs=" + id256.String():                      {2, id256, false},
		"composefs=?" + id512.String():                     {2, id512, true},
	} {
		if got := k.String(); got != want {
			t.Errorf("%+v is %q, want %q", k, got, want)
		}
		if back, err := FindKarg("rw "+want+" quiet", k.ID.Algorithm()); err != nil || back != k {
			t.Errorf("%q is read as %+v, error %v", want, back, err)
		}
	}
}

// FuzzFindKarg: what is found can be written and found again, and is a word of the
// command line.
func FuzzFindKarg(f *testing.F) {
	for _, seed := range []string{
		"", "rw composefs.digest=v1-sha512-12:" + id512.String(), "composefs=?" + id256.String(), `a="b c" composefs.digest=?v2-sha256-12:` + id256.String(),
		"composefs.digest=v1-sha512-16:00", "composefs.digest=:", "composefs=\x00", `"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cmdline string) {
		for _, a := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
			k, err := FindKarg(cmdline, a)
			if err != nil && (!corrupt.Is(err) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("error %q", err)
			}
			if k == (Karg{}) {
				continue
			}
			if err != nil || k.ID.Algorithm() != a || !strings.Contains(strings.ToLower(cmdline), k.ID.String()) {
				t.Errorf("found %+v, error %v", k, err)
			}
			if back, err := FindKarg(k.String(), a); err != nil || back != k {
				t.Errorf("%+v comes back as %+v, error %v", k, back, err)
			}
		}
		words := splitCmdline(cmdline)
		if again := splitCmdline(strings.Join(words, " ")); !slices.Equal(again, words) {
			t.Errorf("%q is split into %q, and these into %q", cmdline, words, again)
		}
	})
}
