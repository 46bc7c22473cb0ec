package uptime

import (
	"strings"
	"testing"
)

func TestParseBoot(t *testing.T) {
	const good = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
	if b, ok := ParseBoot(good); !ok || string(b) != good {
		t.Errorf("%s: %q, %v", good, b, ok)
	}
	for _, s := range []string{
		"", good + "0", good[1:], strings.ToUpper(good), strings.ReplaceAll(good, "-", "0"), good[:35] + "g", good[:35] + "-", good + "\n",
	} {
		if _, ok := ParseBoot(s); ok {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestNow(t *testing.T) {
	boot, err := ThisBoot()
	if _, ok := ParseBoot(string(boot)); err != nil || !ok {
		t.Errorf("%q, %v", boot, err)
	}
	first, err := Now()
	second, err2 := Now()
	if err != nil || err2 != nil || first <= 0 || second < first {
		t.Errorf("%v, then %v; %v, %v", first, second, err, err2)
	}
}
