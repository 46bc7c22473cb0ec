package manifest

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/tolerance"
)

// listOf returns descriptors of manifests for platforms, "" for none.
func listOf(platforms ...string) (list []v1.Descriptor) {
	for _, s := range platforms {
		d := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString(s), Size: 1}
		if p, err := ParsePlatform(strings.TrimSuffix(s, "+zstd")); err == nil {
			d.Platform = &p
		}
		if strings.HasSuffix(s, "+zstd") {
			d.Annotations = map[string]string{zstdAnnotation: "true"}
		}
		list = append(list, d)
	}
	return list
}

func unread(v1.Descriptor) ([]byte, error) { return nil, errors.New("nothing has to be read") }

// TestVariants: of an index, the variant that podman and skopeo take, whatever the order.
func TestVariants(t *testing.T) {
	arm := []string{"linux/arm/v5", "linux/arm/v8", "linux/arm/v6", "linux/arm/v7"}
	for _, v := range []struct{ asked, want, list string }{
		{"linux/amd64", "linux/amd64", "linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/arm64 windows/amd64"},
		{"linux/amd64", "", "linux/amd64/v3 linux/amd64/v2"},
		{"linux/amd64/v3", "linux/amd64/v3", "linux/amd64 linux/amd64/v2 linux/amd64/v3"},
		{"linux/amd64/v3", "linux/amd64", "linux/amd64 linux/amd64/v2 linux/amd64/v4"},
		{"linux/arm/v7", "linux/arm/v7", strings.Join(arm, " ")},
		{"linux/arm/v7", "linux/arm/v6", "linux/arm/v5 linux/arm/v8 linux/arm/v6 linux/arm"},
		{"linux/arm/v7", "linux/arm", "linux/arm/v8 linux/arm"},
		{"linux/arm/v7", "", "linux/arm/v8 linux/arm64"},
		{"linux/arm/v6", "linux/arm/v6", strings.Join(arm, " ")},
		{"linux/arm/v5", "linux/arm/v5", strings.Join(arm, " ")},
		{"linux/arm", "linux/arm/v8", strings.Join(arm, " ")},
		{"linux/arm", "linux/arm", "linux/arm/v8 linux/arm linux/arm/v7"},
		{"linux/arm64", "linux/arm64", "linux/arm64/v8 linux/arm64"},
		{"linux/arm64", "linux/arm64/v8", "linux/arm64/v8 linux/arm/v8"},
		{"linux/arm64/v8", "linux/arm64/v8", "linux/arm64/v8 linux/arm64"},
		{"linux/arm64/v8", "linux/arm64", "linux/arm64/v9 linux/arm64"},
		{"linux/arm64", "", "linux/arm64/v9"},
		{"linux/ppc64le/power9", "linux/ppc64le/power9", "linux/ppc64le linux/ppc64le/power9"},
		{"linux/ppc64le/power9", "linux/ppc64le", "linux/ppc64le linux/ppc64le/power10"},
		{"linux/amd64", "linux/amd64+zstd", "linux/amd64 linux/amd64+zstd linux/amd64/v2+zstd"},
		{"linux/amd64", "linux/amd64", "linux/amd64 linux/amd64/v2+zstd unknown/unknown"},
	} {
		p, err := ParsePlatform(v.asked)
		if err != nil {
			t.Fatal(err)
		}
		names := strings.Fields(v.list)
		for range names {
			names = append(names[1:], names[0])
			got, err := Find(listOf(names...), &p, unread)
			if v.want == "" && !errors.Is(err, fs.ErrNotExist) || v.want != "" && (err != nil || got.Digest != digest.FromString(v.want)) {
				t.Errorf("%s of %v: %+v, %v; want %s", v.asked, names, got.Platform, err, v.want)
			}
		}
	}
}

// TestFirstOfEqual: of equal ones the first is taken, and what has no platform last.
func TestFirstOfEqual(t *testing.T) {
	p := v1.Platform{OS: "linux", Architecture: "amd64"}
	list := listOf("linux/amd64", "linux/amd64")
	list[1].Digest = digest.FromString("second")
	slices.Reverse(list)
	list = append(listOf(""), list...)
	if got, err := Find(list, &p, unread); err != nil || got.Digest != digest.FromString("second") {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestStrictPlatforms: with strict, only what the reference takes of a layout will do: the
// first of the architecture.
func TestStrictPlatforms(t *testing.T) {
	p, v2 := v1.Platform{OS: "linux", Architecture: "amd64"}, v1.Platform{OS: "linux", Architecture: "amd64", Variant: "v2"}
	for _, v := range []struct {
		list    string
		asked   v1.Platform
		refused bool
	}{
		{"linux/amd64 linux/amd64/v3", p, false},
		{"linux/amd64/v3 linux/amd64", p, true},
		{"linux/amd64/v3", p, true},
		{"linux/arm64 linux/amd64", p, false},
		{"linux/amd64 linux/amd64+zstd", p, false},
		{"linux/amd64 linux/amd64/v2", v2, false}, // which the reference cannot be asked for
	} {
		_, err := findStrictly(listOf(strings.Fields(v.list)...), &v.asked, unread)
		if v.refused != (err != nil) || v.refused && (!errors.Is(err, tolerance.ErrRefused) || errors.Is(err, fs.ErrNotExist)) {
			t.Errorf("%s: %v", v.list, err)
		}
	}
	none := listOf("linux/arm64")
	if _, err := findStrictly(none, &p, unread); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, tolerance.ErrRefused) {
		t.Errorf("neither has one: %v", err)
	}
	alone := listOf("plan9/mips")
	if got, err := Find(alone, nil, unread); err != nil || got.Digest != alone[0].Digest {
		t.Errorf("a manifest that is alone: %v", err)
	}
	if _, err := findStrictly(alone, nil, unread); !errors.Is(err, tolerance.ErrRefused) {
		t.Errorf("a manifest that is alone, strictly: %v", err)
	}
}

// TestPlatformless: what names no platform is taken where none is asked for, and what the
// message says where one is.
func TestPlatformless(t *testing.T) {
	config := `{"rootfs":{"type":"layers","diff_ids":[]}}`
	manifest := `{"schemaVersion":2,"config":` + descriptor(v1.MediaTypeImageConfig, config, "") + `,"layers":[]}`
	l := layout(t, `{"manifests":[`+descriptor(v1.MediaTypeImageManifest, manifest, `,"platform":{}`)+`]}`, config, manifest)
	if got, err := l.Resolve("", nil, false); err != nil || got.Digest != digest.FromString(manifest) {
		t.Errorf("none asked for: %v", err)
	}
	_, err := l.Resolve("", &v1.Platform{OS: "linux", Architecture: "amd64"}, false)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "config names no platform") || strings.Contains(err.Error(), "file does not exist") {
		t.Errorf("asked for: %v", err)
	}
	if _, err := l.Resolve("", nil, true); !errors.Is(err, tolerance.ErrRefused) {
		t.Errorf("strictly: %v", err)
	}
	other := descriptor(v1.MediaTypeImageManifest, "x", `,"platform":{"os":"plan9","architecture":"mips"}`)
	l = layout(t, `{"manifests":[`+other+`,`+descriptor(v1.MediaTypeImageManifest, manifest, "")+`]}`, config, manifest)
	if got, err := l.Resolve("", nil, false); err != nil || got.Digest != digest.FromString(manifest) {
		t.Errorf("as the last resort: %v", err)
	}
}

// TestCheckHost: what is not for this machine, or for none, is told.
func TestCheckHost(t *testing.T) {
	host := HostPlatform()
	for _, v := range []struct {
		p    v1.Platform
		want string
	}{
		{host, ""}, {v1.Platform{}, "names no platform"}, {v1.Platform{OS: "plan9", Architecture: host.Architecture}, "plan9/"},
		{v1.Platform{OS: "linux", Architecture: host.Architecture, Variant: "x"}, "/x"},
	} {
		if err := CheckHost(v.p); v.want == "" && err != nil || v.want != "" && (err == nil || !strings.Contains(err.Error(), v.want)) {
			t.Errorf("%+v: %v, want %q", v.p, err, v.want)
		}
	}
}

// TestEmptyIndexes: the message says that there is nothing.
func TestEmptyIndexes(t *testing.T) {
	inner := `{"schemaVersion":2,"manifests":[]}`
	for _, index := range []string{inner, `{"manifests":[` + descriptor(v1.MediaTypeImageIndex, inner, "") + `]}`} {
		_, err := layout(t, index, inner).Resolve("", nil, false)
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "is empty") || strings.Contains(err.Error(), "file does not exist") {
			t.Errorf("%s: %v", index, err)
		}
	}
}

// TestUnknownTypes: what else an index lists is passed over.
func TestUnknownTypes(t *testing.T) {
	p := v1.Platform{OS: "linux", Architecture: "amd64"}
	list := append(listOf("", "linux/amd64"), listOf("linux/arm64")...)
	list[0].MediaType = "application/vnd.in-toto+json"
	if got, err := Find(list, &p, unread); err != nil || got.Digest != digest.FromString("linux/amd64") {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Find(list[:1], &p, unread); err == nil || !strings.Contains(err.Error(), "in-toto") {
		t.Errorf("alone: %v", err)
	}
}

// TestARM: the variants of ARM machines.
func TestARM(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "",
		"processor\t: 0\nCPU architecture: 8\n": "v8",
		"CPU architecture: AArch64\n":           "v8",
		"model name\t: ARMv7\nCPU architecture: 7":                                    "v7",
		"CPU architecture: 7\nmodel name\t: ARMv6-compatible processor rev 7 (v6l)\n": "v6",
		"CPU architecture: 6TEJ\nCPU architecture: 8":                                 "v6",
		"CPU architecture: 5TE":                                                       "v5",
		"CPU architecture: 99":                                                        "",
	} {
		if got := armVariant(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
