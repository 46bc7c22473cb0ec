// Package scripts tests the scripts that replace the tools of the C project:
// mkcomposefs, composefs-info and composefs-dump.
package scripts

import (
	"testing"

	"cfs/cmd/cmdtest"
)

func TestMain(m *testing.M) { cmdtest.Main(m) }

// must runs sh code in a folder, with the scripts in PATH, that has to succeed and to say
// nothing; it returns stdout.
func must(t *testing.T, dir, code string) string {
	t.Helper()
	r := cmdtest.Shell(t, dir, code)
	if r.Status != 0 || r.Stderr != "" {
		t.Fatalf("%s: exit status %d\n%s%s", code, r.Status, r.Stdout, r.Stderr)
	}
	return r.Stdout
}
