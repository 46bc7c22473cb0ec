package man

import "testing"

// TestSecurity: each promise and each limit of SECURITY.md names tests, and those are there.
func TestSecurity(t *testing.T) { wantTests(t, tested(t, "../SECURITY.md"), 45) }
