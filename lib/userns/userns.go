// Package userns tells root from root of a user namespace, such as that of "podman unshare".
package userns

import (
	"fmt"
	"os"
	"strings"
)

// Initial reports whether this process is in the initial user namespace, where IDs are those of the machine. Where a
// namespace maps all IDs to themselves the two cannot be told apart, and it is taken for the initial one.
func Initial() (bool, error) {
	text, err := os.ReadFile("/proc/self/uid_map")
	if os.IsNotExist(err) {
		return true, nil // a kernel without user namespaces
	}
	if err != nil {
		return false, fmt.Errorf("user namespace: %w", err)
	}
	return isInitial(string(text)), nil
}

// isInitial reports whether a table of user_namespaces(7) maps all IDs to themselves.
func isInitial(table string) bool {
	return strings.Join(strings.Fields(table), " ") == "0 0 4294967295"
}

// Root reports whether this process is root of the machine: root in the initial user namespace.
func Root() (bool, error) {
	if os.Geteuid() != 0 {
		return false, nil
	}
	return Initial()
}
