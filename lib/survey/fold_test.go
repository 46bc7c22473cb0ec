package survey

import (
	"slices"
	"strings"
	"testing"
)

// TestFold: lines are cut at spaces if they have some, and nothing is lost.
func TestFold(t *testing.T) {
	hex := strings.Repeat("0123456789", 5)
	for text, want := range map[string][]string{
		"":                          nil,
		"a b":                       {"a b"},
		hex[:20]:                    {hex[:20]},
		hex:                         {hex[:20], hex[:20], hex[:10]},
		hex + " plain":              {hex[:20], hex[:20], hex[:10] + " plain"},
		"twenty characters is it":   {"twenty characters is", "it"},
		strings.Repeat("größe ", 5): {"größe größe größe", "größe größe "},
	} {
		if got := fold(text, 20); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := fold(text, 19); text != "" && !slices.Equal(got, []string{text}) {
			t.Errorf("without room: %q", got)
		}
	}
}
