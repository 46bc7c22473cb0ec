package footprint

import (
	"os"
	"testing"

	"cfs/cmd/cmdtest"
)

func TestMain(m *testing.M) {
	Main()
	cmdtest.Main(m)
}

// TestRun: what a child of the shell takes counts, and what this process has does not.
func TestRun(t *testing.T) {
	mine := make([]byte, 200<<20)
	for i := 0; i < len(mine); i += 4096 {
		mine[i] = 1
	}
	r, small := Run(t, "echo x; exit 3", os.Environ())
	if r.Status != 3 || r.Stdout != "x\n" || small == 0 || small > 100<<10 {
		t.Errorf("%+v, %d KiB", r, small)
	}
	if _, large := Run(t, "head -c 150000000 /dev/zero | tail -n 1 >/dev/null; true", os.Environ()); large < 140<<10 {
		t.Errorf("%d KiB", large)
	}
	_ = mine[4096]
}
