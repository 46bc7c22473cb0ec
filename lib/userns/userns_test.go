package userns

import (
	"os"
	"testing"
)

func TestIsInitial(t *testing.T) {
	for table, want := range map[string]bool{
		"         0          0 4294967295\n":                                   true,
		"         0       1000          1\n":                                   false,
		"         0          0          1\n":                                   false,
		"         0       1000          1\n         1     100000      65536\n": false,
		"": false,
		"         0          0 2147483647\n2147483647 2147483647 2147483648\n": false,
	} {
		if isInitial(table) != want {
			t.Errorf("%q: want %v", table, want)
		}
	}
}

func TestRoot(t *testing.T) {
	initial, err := Initial()
	if err != nil {
		t.Fatal(err)
	}
	if root, err := Root(); err != nil || root != (initial && os.Geteuid() == 0) {
		t.Errorf("root: %v, %v; initial %v", root, err, initial)
	}
}
