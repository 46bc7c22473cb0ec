package boot

import (
	"fmt"
	"strings"

	"cfs/lib/corrupt"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

// The two spellings of the kernel argument, up to their values.
const (
	digestKey = "composefs.digest="
	legacyKey = "composefs="
)

// Karg is the kernel argument that names the image to boot. The zero Karg is none.
type Karg struct {
	Format   variant.Format // of the EROFS image: 1, which stands for 0 too, or 2
	ID       verity.ID
	Insecure bool // the image is booted without fs-verity too
}

// String returns the argument as the reference writes it: for format 2 always in the
// older spelling.
func (k Karg) String() string {
	mark := ""
	if k.Insecure {
		mark = "?"
	}
	if k.Format == variant.V2 {
		return legacyKey + mark + k.ID.String()
	}
	return fmt.Sprintf("%s%sv1-%s-%d:%s", digestKey, mark, k.ID.Algorithm().Name(), verity.BlockBits, k.ID)
}

// FindKarg returns the argument of a kernel command line for images by an algorithm,
// the zero Karg if there is none. As for the reference, the first one in the newer
// spelling goes before all in the older one, and one that is malformed is an error
// unless it comes later.
func FindKarg(cmdline string, a verity.Algorithm) (Karg, error) {
	words := splitCmdline(cmdline)
	for _, word := range words {
		value, ok := strings.CutPrefix(word, digestKey)
		if !ok {
			continue
		}
		k, err := parseDigest(value, a)
		if err != nil {
			return Karg{}, corrupt.Errorf("kernel argument %q: %w", word, err)
		}
		if !k.ID.IsZero() {
			return k, nil
		}
	}
	for _, word := range words {
		if value, ok := strings.CutPrefix(word, legacyKey); ok {
			hex, insecure := strings.CutPrefix(value, "?")
			id, err := parseHex(hex, a)
			if err != nil {
				return Karg{}, corrupt.Errorf("kernel argument %q: %w", word, err)
			}
			return Karg{variant.V2, id, insecure}, nil
		}
	}
	return Karg{}, nil
}

// parseDigest reads a value like v1-sha512-12:HEX. That of another algorithm, whose
// digits do not matter, gives the zero Karg.
func parseDigest(value string, a verity.Algorithm) (Karg, error) {
	value, insecure := strings.CutPrefix(value, "?")
	kind, hex, ok := strings.Cut(value, ":")
	version, algorithm, dash := strings.Cut(kind, "-")
	if !ok || !dash {
		return Karg{}, fmt.Errorf("want FORMAT-HASH-%d:DIGEST", verity.BlockBits)
	}
	format, ok := map[string]variant.Format{"v1": variant.V1, "v2": variant.V2}[version]
	if !ok {
		return Karg{}, fmt.Errorf("unknown format %q", version)
	}
	// Its other name, without the block size, cannot follow the prefix.
	its, err := verity.ParseAlgorithm("fsverity-" + algorithm)
	if err != nil {
		return Karg{}, fmt.Errorf("unknown hash and block size %q", algorithm)
	}
	if its != a {
		return Karg{}, nil
	}
	id, err := parseHex(hex, a)
	return Karg{format, id, insecure}, err
}

func parseHex(hex string, a verity.Algorithm) (verity.ID, error) {
	id, err := verity.ParseID(hex)
	if err == nil && id.Algorithm() != a {
		err = fmt.Errorf("%q is not a digest by %s", hex, a.Name())
	}
	return id, err
}

// splitCmdline splits a kernel command line as the kernel does (lib/cmdline.c): at
// white space that is not between double quotes, which stay where they are.
func splitCmdline(cmdline string) (words []string) {
	start, quoted := 0, false
	for i := range len(cmdline) + 1 {
		if i < len(cmdline) {
			if cmdline[i] == '"' {
				quoted = !quoted
			}
			if quoted || !isSpace(cmdline[i]) {
				continue
			}
		}
		if start < i {
			words = append(words, cmdline[start:i])
		}
		start = i + 1
	}
	return words
}

// isSpace tells ASCII white space, of which a vertical tab is none here.
func isSpace(c byte) bool { return strings.IndexByte(" \t\n\f\r", c) >= 0 }
