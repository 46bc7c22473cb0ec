package spool

import (
	"os"
	"testing"
)

// TestRoom: a directory that is not there yet has the room of the one above it.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{dir: true, dir + "/not/yet": true, dir + "/file/below": false} {
		if got := Room(name); got > 0 != want {
			t.Errorf("%s: %d", name, got)
		}
	}
}
