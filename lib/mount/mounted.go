package mount

import (
	"os"
	"slices"
	"strings"
)

// Mounted returns the composefs mounts that there are: from the name of each
// image (Options.Name) to the directories where it is mounted. A name is any
// string: the reference tools put there what their user typed, and what is no
// digest may be the name of a reference.
//
// Only mounts of the caller's mount namespace are seen, not those that a
// container has in its own.
func Mounted() (map[string][]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseMountinfo(string(table)), nil
}

// parseMountinfo reads lines as proc_pid_mountinfo(5) has them:
//
//	36 35 98:0 / /mnt rw,noatime shared:1 - overlay composefs:ab12 rw,...
//
// with any number of optional fields before the lone dash.
func parseMountinfo(table string) map[string][]string {
	found := make(map[string][]string)
	for line := range strings.Lines(table) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(f) < 6 {
			continue
		}
		fs := f[6:]
		fs = fs[slices.Index(fs, "-")+1:]
		if len(fs) < 2 || fs[0] != "overlay" {
			continue
		}
		if name, ok := strings.CutPrefix(unescape(fs[1]), source); ok {
			found[name] = append(found[name], unescape(f[4]))
		}
	}
	return found
}

// unescape undoes the kernel's writing of space, tab, newline, backslash and # as
// a backslash and three octal digits.
func unescape(s string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, `\`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if c, ok := octal(after); ok {
			b.WriteByte(c)
			s = after[3:]
		} else {
			b.WriteByte('\\')
			s = after
		}
	}
}

// octal reads three digits of a byte.
func octal(s string) (byte, bool) {
	if len(s) < 3 || s[0] > '3' {
		return 0, false
	}
	var c byte
	for i := range 3 {
		if s[i] < '0' || s[i] > '7' {
			return 0, false
		}
		c = c<<3 + (s[i] - '0')
	}
	return c, true
}
