package boot

import "strings"

// osRelease is what an os-release file (os-release(5)) says: values as they are
// written there, by their keys.
type osRelease map[string]string

// parseOSRelease reads an os-release file. Of a key that comes twice it has the last
// value.
func parseOSRelease(text string) osRelease {
	o := osRelease{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok {
			o[key] = value
		}
	}
	return o
}

// label returns how a boot menu names the system, "" if it has no name.
func (o osRelease) label() string {
	name := o.first("PRETTY_NAME", "NAME", "ID")
	if version := o.first("VERSION_ID", "VERSION"); name != "" && version != "" {
		name += " " + version
	}
	return name
}

// first returns the value of the first of keys that has one. What is empty, or has a
// quote without its end, is none.
func (o osRelease) first(keys ...string) string {
	for _, key := range keys {
		if value, ok := unquote(o[key]); ok && value != "" {
			return value
		}
	}
	return ""
}

// unquote removes the quotes of a shell, and reports whether each has its end. Outside
// of double quotes a backslash is one, as it must not stand there.
func unquote(s string) (value string, ok bool) {
	var b strings.Builder
	var quote byte
	s = strings.TrimSpace(s)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote && quote != 0:
			quote = 0
		case c == '\\' && quote == '"':
			if i++; i == len(s) {
				return "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), quote == 0
}
