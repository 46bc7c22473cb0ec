package boot

import (
	"strings"
	"testing"

	"cfs/lib/verity"
)

// TestSetArguments: our argument first, none of its kind left, whole keys replaced.
func TestSetArguments(t *testing.T) {
	const k = "composefs.digest=v1"
	for _, c := range []struct{ line, args, want string }{
		{"", "", k},
		{"root=x  quiet", "", k + " root=x quiet"},
		{"root=UUID=x", "ro", k + " root=UUID=x ro"},
		{"root=x ro", "rw", k + " root=x rw"},
		{"root=x a root=y b", "root=z", k + " root=z" + " a b"},
		{"composefs=old q composefs.digest=?old", "c=1", k + " q c=1"},
		{`a="b root=c" ro`, "root=d", k + ` a="b root=c" ro root=d`},
		{"quiet", "quiet=1", k + " quiet quiet=1"},
	} {
		var args []string
		if c.args != "" {
			args = []string{c.args}
		}
		if got := SetArguments(c.line, k, args); got != c.want {
			t.Errorf("%q with %q: %q, want %q", c.line, c.args, got, c.want)
		}
	}
}

func TestCheckArgument(t *testing.T) {
	for _, ok := range []string{"ro", "root=UUID=x", `a="b c"`, "composefsx=1", "c", "é=1"} {
		if err := CheckArgument(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{"", " ", "a b", " a", "a\nlinux /evil", "a\tb", "a\x00", "\xff", `a="b`, "composefs=x", "composefs.digest=x", `"composefs=x"`, "composefs"} {
		if err := CheckArgument(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestKargs(t *testing.T) {
	one, two := strings.Repeat("1", 64), strings.Repeat("2", 64)
	got, err := Kargs("composefs=?"+one+" q composefs.digest=v1-sha256-12:"+two+" composefs.digest=v1-sha512-12:"+one+two, verity.SHA256)
	if err != nil || len(got) != 2 || got[0].ID.String() != one || !got[0].Insecure || got[1].ID.String() != two {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Kargs("composefs=zz composefs="+one, verity.SHA256); err == nil || len(got) != 1 {
		t.Errorf("one that is malformed: %v, %v", got, err)
	}
}
