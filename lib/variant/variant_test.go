package variant

import "testing"

func TestKeys(t *testing.T) {
	for key, want := range map[string]Variant{
		"composefs.image":                                 {Format: 2},
		"composefs.image.v1":                              {Format: 1},
		"composefs.image.boot":                            {Boot: true, Format: 2},
		"composefs.image.boot.v1":                         {Boot: true, Format: 1},
		"composefs.image.boot.v1.xattrs=keep-user-xattrs": {Boot: true, Format: 1, Xattrs: KeepUserXattrs},
		"composefs.image.boot.xattrs=keep-user-xattrs":    {Boot: true, Format: 2, Xattrs: KeepUserXattrs},
	} {
		if got, ok := ParseKey(key); !ok || got != want || got.Key() != key || !IsKey(key) {
			t.Errorf("%s: %+v, %v", key, got, ok)
		}
	}
	if (Variant{Format: 0}).Key() != "composefs.image.v1" {
		t.Error("format 0 does not stand in the place of format 1")
	}
	for _, key := range []string{"composefs.image.boot.later", "composefs.image.boot.xattrs=x", "composefs.image.boot.v1.xattrs=allowlist-only"} {
		if v, ok := ParseKey(key); ok || !IsKey(key) {
			t.Errorf("%s: %+v", key, v)
		}
	}
	for _, key := range []string{"sha256:00", "composefs.imagery", "composefs.image.v2"} {
		if IsKey(key) {
			t.Errorf("%s is taken for an image's", key)
		}
	}
}

func TestParse(t *testing.T) {
	for n, s := range []string{"0", "1", "2"} {
		if f, err := ParseFormat(s); err != nil || f != Format(n) {
			t.Errorf("%s: %d, %v", s, f, err)
		}
		if f, ok := FormatOf(uint64(n)); !ok || f != Format(n) {
			t.Errorf("%d: %d, %v", n, f, ok)
		}
	}
	for _, s := range []string{"", "3", "-1", "+1", "01", "v1", "auto", "1 "} {
		if f, err := ParseFormat(s); err == nil || f != 0 {
			t.Errorf("%q: %d, %v", s, f, err)
		}
	}
	for _, n := range []uint64{3, 256, 1 << 32} {
		if _, ok := FormatOf(n); ok {
			t.Errorf("%d is a format", n)
		}
	}
	for _, x := range XattrModes() {
		if got, err := ParseXattrMode(x.String()); err != nil || got != x {
			t.Errorf("%s: %s, %v", x, got, err)
		}
	}
	if _, err := ParseXattrMode(""); err == nil {
		t.Error("an empty mode is read")
	}
	for _, v := range []Variant{{}, {Boot: true}} {
		if boot, err := ParseName(v.Name()); err != nil || boot != v.Boot {
			t.Errorf("%s: %v, %v", v.Name(), boot, err)
		}
	}
	if _, err := ParseName("Boot"); err == nil {
		t.Error("another spelling is read")
	}
}

// TestKeeps: security.capability in both modes, user.* in one.
func TestKeeps(t *testing.T) {
	for _, c := range []struct {
		name        string
		allow, user bool
	}{{"security.capability", true, true}, {"user.a", false, true}, {"user", false, false}, {"security.selinux", false, false}} {
		if AllowlistOnly.Keeps(c.name) != c.allow || KeepUserXattrs.Keeps(c.name) != c.user {
			t.Errorf("%s: %v, %v", c.name, AllowlistOnly.Keeps(c.name), KeepUserXattrs.Keeps(c.name))
		}
	}
}
