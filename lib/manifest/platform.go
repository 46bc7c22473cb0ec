package manifest

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// HostPlatform returns what this machine runs, with the variant where that counts.
func HostPlatform() v1.Platform {
	p := v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if p.Architecture == "arm" || p.Architecture == "arm64" {
		text, _ := os.ReadFile("/proc/cpuinfo")
		p.Variant = armVariant(string(text))
	}
	return p
}

// ParsePlatform reads OS/ARCH[/VARIANT].
func ParsePlatform(s string) (v1.Platform, error) {
	part := strings.Split(s, "/")
	if len(part) < 2 || len(part) > 3 || part[0] == "" || part[1] == "" {
		return v1.Platform{}, fmt.Errorf("platform %q: want OS/ARCH or OS/ARCH/VARIANT", s)
	}
	p := v1.Platform{OS: part[0], Architecture: part[1]}
	if len(part) == 3 {
		p.Variant = part[2]
	}
	return p, nil
}

// variants are those of an architecture of which each machine also runs all behind its own.
var variants = map[string][]string{
	"arm":   {"v8", "v7", "v6", "v5"},
	"arm64": {"v8"},
}

// wanted returns the platforms that will do where p is asked for, the best one first, as
// podman and skopeo rank them. A variant runs those behind it, and what names none.
// Where none is asked for, what names none comes before those of which all machines of the
// architecture run one or the other; none of amd64 is, since its plain images run on all.
func wanted(p v1.Platform) []v1.Platform {
	list := []string{""}
	known := variants[p.Architecture]
	switch at := slices.Index(known, p.Variant); {
	case p.Variant == "":
		list = append(list, known...)
	case at >= 0:
		list = append(slices.Clone(known[at:]), "")
	default:
		list = []string{p.Variant, ""}
	}
	var all []v1.Platform
	for _, variant := range list {
		all = append(all, v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: variant})
	}
	return all
}

// rank returns the place of a platform among those that are wanted, -1 if it has none.
func rank(wanted []v1.Platform, p v1.Platform) int {
	return slices.IndexFunc(wanted, func(w v1.Platform) bool { return samePlatform(w, p) })
}

func samePlatform(a, b v1.Platform) bool {
	return a.OS == b.OS && a.Architecture == b.Architecture && a.Variant == b.Variant
}

// CheckHost returns what a user should know of a platform, that of an image's config, that was
// not asked for: that it is another one than this machine's, or that the config names none. It
// returns nil if there is nothing.
func CheckHost(p v1.Platform) error {
	host := HostPlatform()
	switch {
	case !named(&p):
		return fmt.Errorf("its config names no platform, this machine's is %s", PlatformName(host))
	case rank(wanted(host), p) < 0:
		return fmt.Errorf("it is for %s, this machine's platform is %s", PlatformName(p), PlatformName(host))
	}
	return nil
}

// named reports whether a platform says what it is.
func named(p *v1.Platform) bool { return p != nil && (p.OS != "" || p.Architecture != "") }

// PlatformName writes a platform as ParsePlatform reads it.
func PlatformName(p v1.Platform) string {
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return name
}

// armVariant returns the variant of an ARM machine from the text of /proc/cpuinfo, "" if it
// does not say. The ARMv6 of some boards calls itself 7 there, but not in its model's name.
func armVariant(cpuinfo string) string {
	switch arch := strings.ToLower(cpuField(cpuinfo, "cpu architecture")); arch {
	case "8", "aarch64":
		return "v8"
	case "7":
		if strings.HasPrefix(strings.ToLower(cpuField(cpuinfo, "model name")), "armv6-compatible") {
			return "v6"
		}
		return "v7"
	case "7m", "?(12)", "?(13)", "?(14)", "?(15)", "?(16)", "?(17)":
		return "v7"
	case "6", "6tej":
		return "v6"
	case "5", "5t", "5te", "5tej":
		return "v5"
	case "4", "4t":
		return "v4"
	case "3":
		return "v3"
	}
	return ""
}

// cpuField returns the first value of a field.
func cpuField(cpuinfo, name string) string {
	for line := range strings.Lines(cpuinfo) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
