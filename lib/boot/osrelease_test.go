package boot

import (
	"strings"
	"testing"
)

func TestLabel(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"ID=test\nVERSION_ID=1.0\n": "test 1.0",
		"ID=test\nPRETTY_NAME=\"Test OS\"\nVERSION_ID=1.0\nVERSION=2\n": "Test OS 1.0",
		"NAME='A b'\nID=c\nVERSION=\"4 (five)\"":                        "A b 4 (five)",
		"NAME=x\r\nVERSION_ID=2\r\n":                                    "x 2",
		"#ID=a\n  # NAME=b\nVERSION=1\n":                                "",
		"PRETTY_NAME=\"no end\nID=b\n":                                  "b",
		"PRETTY_NAME=\nNAME=b\nVERSION_ID=\nVERSION=3":                  "b 3",
		"ID=a\nID=b\n": "b",
		" ID=a\n":      "",
		"ID= a \n":     "a",
		"NAME=a=b":     "a=b",
	} {
		if got := parseOSRelease(text).label(); got != want {
			t.Errorf("%q is labelled %q, want %q", text, got, want)
		}
	}
}

func TestUnquote(t *testing.T) {
	for quoted, want := range map[string]string{
		`""`: "", `''`: "", `hello`: "hello", `\`: `\`, `\$`: `\$`,
		`"closed\\"`: `closed\`, `"\""`: `"`, `"\$5"`: "$5", `"a'b"`: "a'b", `"\'"`: "'",
		`'\'`: `\`, `'a"b'`: `a"b`, `"a"'b'c`: "abc", "\t\"a \"\r\n": "a ",
	} {
		if got, ok := unquote(quoted); !ok || got != want {
			t.Errorf("%s unquoted is %q, %v, want %q", quoted, got, ok, want)
		}
	}
	for _, broken := range []string{`"`, `'`, `"a`, `'a`, `"a\"`, `"\`, `'\''`, `a"`} {
		if got, ok := unquote(broken); ok {
			t.Errorf("%s unquoted is %q, want none", broken, got)
		}
	}
}

// FuzzOSRelease: a name in single quotes comes through as it is.
func FuzzOSRelease(f *testing.F) {
	for _, seed := range []string{"", "ID=test\nVERSION_ID=1\n", "PRETTY_NAME=\"a\\\"b\"", "NAME='x", "=\n==\n#=", "ID=a\r\nID"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		label := parseOSRelease(text).label()
		if len(label) > len(text) {
			t.Errorf("the label %q is longer than all", label)
		}
		if text != "" && !strings.ContainsAny(text, "'\n") {
			if got := parseOSRelease("NAME='" + text + "'").label(); got != text {
				t.Errorf("in quotes %q is labelled %q", text, got)
			}
		}
	})
}
