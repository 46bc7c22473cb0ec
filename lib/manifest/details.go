package manifest

import v1 "github.com/opencontainers/image-spec/specs-go/v1"

// Details is what a config tells people about a container image. Nothing is made of it.
type Details struct {
	Created string         `json:"created"` // a time of RFC 3339, if its writer kept to the specification
	Author  string         `json:"author"`
	Runtime v1.ImageConfig `json:"config"`
}

// ParseDetails reads the details in a config that was accepted before. What is missing or
// of another type than the specification says is left out.
func ParseDetails(text []byte) (d Details) {
	_, _ = decode(text, configSchema, &d) // after an error about the type of a value it goes on
	return d
}
