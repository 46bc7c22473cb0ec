// Package uptime identifies the current boot of the machine, and measures time within it.
//
// Some state is valid only until the machine stops, such as a mount or a page that was not
// flushed. And within a boot there is a clock that cannot be set.
package uptime

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Boot is the ID of a boot, a UUID in lower case that the kernel makes when it starts.
type Boot string

// bootPath is where the kernel shows the ID (random(4)).
const bootPath = "/proc/sys/kernel/random/boot_id"

// ThisBoot returns the ID of the current boot.
func ThisBoot() (Boot, error) {
	text, err := os.ReadFile(bootPath)
	if err != nil {
		return "", err
	}
	b, ok := ParseBoot(strings.TrimSuffix(string(text), "\n"))
	if !ok {
		return "", fmt.Errorf("%s: %.50q is not a boot ID", bootPath, text)
	}
	return b, nil
}

// ParseBoot reads a boot ID in the one spelling that the kernel has for it.
func ParseBoot(s string) (b Boot, ok bool) {
	if len(s) != 36 {
		return "", false
	}
	for i, c := range []byte(s) {
		isDash := i == 8 || i == 13 || i == 18 || i == 23
		if isDash != (c == '-') || !isDash && strings.IndexByte("0123456789abcdef", c) < 0 {
			return "", false
		}
	}
	return Boot(s), true
}

// Now returns how long ago this boot began, the time in suspension included.
func Now() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, fmt.Errorf("clock_gettime: %w", err)
	}
	return time.Duration(t.Nano()), nil
}
