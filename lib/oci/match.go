package oci

import (
	"fmt"
	"path"
	"strings"
)

// Compare orders tags by name.
func (n NamedManifest) Compare(other NamedManifest) int { return strings.Compare(n.Tag, other.Tag) }

// noSlash takes away what is special about a slash; no tag has a NUL in it.
var noSlash = strings.NewReplacer("/", "\x00")

// Match returns those of the tags that a pattern matches: the one of that very name or, if
// there is none, those whose whole name it describes as patterns of path.Match do. But a
// slash is like any other character here.
func Match(tags []NamedManifest, pattern string) (list []NamedManifest, err error) {
	for _, tag := range tags {
		if tag.Tag == pattern {
			return []NamedManifest{tag}, nil
		}
	}
	if _, err := matches(pattern, ""); err != nil { // also if there are no tags
		return nil, err
	}
	for _, tag := range tags {
		ok, err := matches(pattern, tag.Tag)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, tag)
		}
	}
	return list, nil
}

func matches(pattern, name string) (bool, error) {
	ok, err := path.Match(noSlash.Replace(pattern), noSlash.Replace(name))
	if err != nil {
		err = fmt.Errorf("pattern %q: %w", pattern, err)
	}
	return ok, err
}

// IsPattern reports whether a word has characters in it that are special in patterns.
func IsPattern(word string) bool { return strings.ContainsAny(word, `*?[\`) }
