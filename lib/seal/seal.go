// Package seal reads the fs-verity digests that an image claims for itself, in annotations of its
// manifest and in artifacts that refer to it, and verifies them and the signatures over them.
//
// A digest of the merged file system covers every path, owner, mode, time, and kept attribute,
// and the content of every file. It does not cover the config (what to run, as which user) unless
// that has its own entry, nor whether there is a newer image.
package seal

import (
	"fmt"
	"slices"
	"strings"

	"cfs/lib/verity"
)

// Role is what a digest is of.
type Role string

// The roles. Bootable and Merged are of EROFS images of format 1, Manifest and Config of JSON.
const (
	Manifest Role = "manifest"
	Config   Role = "config"
	Merged   Role = "merged"
	Bootable Role = "merged.bootable"

	layer Role = "layer" // which is read and does not count: a file system is mounted merged
)

// roles are all of them, in the order in which an artifact has them.
var roles = []Role{Manifest, Config, Merged, Bootable}

// Roles returns the roles in the order in which an artifact has them.
func Roles() []Role { return slices.Clone(roles) }

// ParseRole reads the name of a role.
func ParseRole(name string) (Role, error) {
	if !slices.Contains(roles, Role(name)) {
		return "", fmt.Errorf("role %q: want manifest, config, merged or merged.bootable", name)
	}
	return Role(name), nil
}

// SignatureSuffix ends the key of an annotation that holds the signature over another one.
const SignatureSuffix = ".sig"

// name returns how keys of annotations name a role.
func (r Role) name() string {
	switch r {
	case Merged, Bootable, layer:
		return string(r) + ".erofs.v1"
	}
	return string(r)
}

// Key returns the key of the annotation that holds a digest.
func (r Role) Key(a verity.Algorithm) string {
	return "composefs." + r.name() + ".fsverity-" + AlgorithmName(a)
}

// AlgorithmName returns how keys and records name an algorithm: sha512-12, of which 12 is the
// logarithm of the block size.
func AlgorithmName(a verity.Algorithm) string { return strings.TrimPrefix(a.String(), "fsverity-") }

// algorithms are the names that are known. Nobody makes those of blocks of 64 KiB.
var algorithms = []string{"sha256-12", "sha512-12", "sha256-16", "sha512-16"}

// parseKey reads the key of an annotation that holds a digest. One that is not known, as those
// of later formats, is not ok.
func parseKey(key string) (r Role, algorithm string, ok bool) {
	rest, ok := strings.CutPrefix(key, "composefs.")
	if !ok {
		return "", "", false
	}
	name, algorithm, ok := strings.Cut(rest, ".fsverity-")
	if !ok {
		return "", "", false
	}
	for _, known := range algorithms {
		if algorithm != known {
			continue
		}
		for _, r := range append(roles[:len(roles):len(roles)], layer) {
			if name == r.name() {
				return r, algorithm, true
			}
		}
	}
	return "", "", false
}
