package manifest_test

import (
	"maps"
	"testing"

	"cfs/lib/manifest"
)

// TestParseDetails: what has the wrong type is left out, and the rest is read.
func TestParseDetails(t *testing.T) {
	d := manifest.ParseDetails([]byte(`{"created":7,"Author":"x","author":"me","config":{"Env":{"a":"b"},"Labels":{"k":"v"},"Cmd":["sh"],"user":"no"}}`))
	if d.Created != "" || d.Author != "me" || d.Runtime.Env != nil || d.Runtime.Labels["k"] != "v" || len(d.Runtime.Cmd) != 1 || d.Runtime.User != "" {
		t.Errorf("%+v", d)
	}
	if d := manifest.ParseDetails([]byte("not JSON")); d.Created != "" || d.Runtime.Labels != nil {
		t.Errorf("%+v", d)
	}
}

// FuzzParseDetails: whatever a config holds, labels are those that ParseStoredConfig reads.
func FuzzParseDetails(f *testing.F) {
	for _, seed := range []string{`{"created":"2026-01-02T03:04:05Z","config":{"Labels":{"a":"b"}}}`, `{"config":{"Env":7}}`, `{`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d := manifest.ParseDetails(text)
		if c, _, err := manifest.ParseStoredConfig(text); err == nil && !maps.Equal(c.Labels, d.Runtime.Labels) {
			t.Errorf("labels %q, want %q", d.Runtime.Labels, c.Labels)
		}
	})
}
