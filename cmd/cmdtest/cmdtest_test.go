package cmdtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

// TestTools: all tools and scripts are there, and everybody may run them.
func TestTools(t *testing.T) {
	for _, name := range append([]string{"cfs-fetch", "cfs-import", "cfs-mkerofs", "cfs-link", "cfs-gc", "cfs-mount"}, scripts...) {
		st, err := os.Stat(filepath.Join(Tools(t), name))
		if err != nil {
			t.Error(err)
		} else if st.Mode().Perm() != 0o755 {
			t.Errorf("%s has the mode %s", name, st.Mode())
		}
	}
	if want, err := exec.LookPath("sh"); err != nil || Tools(t) == filepath.Dir(want) {
		t.Errorf("the tools are in %s, sh in %s: %v", Tools(t), want, err)
	}
}

// TestRun: what a command prints and how it ends is told apart.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	for code, want := range map[string]Result{
		"pwd":                             {Stdout: dir + "\n"},
		"echo $X >&2; exit 3":             {Stderr: "y\n", Status: 3},
		"kill -9 $$":                      {Status: -1},
		"printf %s " + Quote("it's $X\n"): {Stdout: "it's $X\n"},
	} {
		if got := Shell(t, dir, code, "X=y"); got != want {
			t.Errorf("%s: %+v, want %+v", code, got, want)
		}
	}
	if got := Must(t, "", "command -v cfs-gc"); strings.TrimSpace(got) != Tools(t)+"/cfs-gc" {
		t.Errorf("cfs-gc is %s", got)
	}
}

// TestSoak: a long test tries all cases, another one the same few each time.
func TestSoak(t *testing.T) {
	for _, c := range []struct {
		env    string
		n, few int
		want   []int
	}{
		{"", 10, 3, []int{1, 5, 10}},
		{"", 10, 1, []int{1}},
		{"", 3, 5, []int{1, 2, 3}},
		{"", 0, 5, []int{}},
		{"1", 4, 2, []int{1, 2, 3, 4}},
		{"1", 1, 2, []int{1}},
	} {
		t.Setenv(soakEnv, c.env)
		if got := Sample(c.n, c.few); !slices.Equal(got, c.want) {
			t.Errorf("CFS_SOAK=%s: of %d cases %d are %d, want %d", c.env, c.n, c.few, got, c.want)
		}
		if got := Soak(c.few, c.n); c.env == "" && got != c.few || c.env != "" && got != c.n {
			t.Errorf("CFS_SOAK=%s: %d cases, few are %d, many %d", c.env, got, c.few, c.n)
		}
	}
}
