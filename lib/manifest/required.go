package manifest

import (
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/tolerance"
)

// CheckRequired refuses a manifest, and the config of a container image, without the keys
// that the reference requires, or with other types of values than it reads.
func CheckRequired(manifest, config []byte) error {
	var m struct {
		SchemaVersion *uint32               `json:"schemaVersion"`
		Config        *requiredDescriptor   `json:"config"`
		Layers        *[]requiredDescriptor `json:"layers"`
	}
	if _, err := decode(manifest, manifestSchema, &m); err != nil {
		return refused("manifest", err)
	}
	switch {
	case m.SchemaVersion == nil:
		return refused("manifest", errWithout("schemaVersion"))
	case m.Config == nil:
		return refused("manifest", errWithout("config"))
	case m.Layers == nil:
		return refused("manifest", errWithout("layers"))
	}
	for _, d := range append(*m.Layers, *m.Config) {
		if err := d.check(); err != nil {
			return refused("manifest: a descriptor", err)
		}
	}
	if !IsImageConfig(*m.Config.MediaType) {
		return nil
	}
	return refused("config", checkRequiredConfig(config))
}

type requiredDescriptor struct {
	MediaType *string `json:"mediaType"`
	Digest    *string `json:"digest"`
	Size      *uint64 `json:"size"`
}

func (d requiredDescriptor) check() error {
	switch {
	case d.MediaType == nil:
		return errWithout("mediaType")
	case d.Digest == nil:
		return errWithout("digest")
	case d.Size == nil:
		return errWithout("size")
	}
	return nil
}

func checkRequiredConfig(text []byte) error {
	var c struct {
		Architecture *string         `json:"architecture"`
		OS           *string         `json:"os"`
		Created      string          `json:"created"` // which the reference does not parse
		Author       string          `json:"author"`
		OSVersion    string          `json:"os.version"`
		OSFeatures   []string        `json:"os.features"`
		Variant      string          `json:"variant"`
		Config       *v1.ImageConfig `json:"config"`
		RootFS       *struct {
			Type    *string   `json:"type"`
			DiffIDs *[]string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if _, err := decode(text, configSchema, &c); err != nil {
		return err
	}
	switch {
	case c.Architecture == nil:
		return errWithout("architecture")
	case c.OS == nil:
		return errWithout("os")
	case c.RootFS == nil:
		return errWithout("rootfs")
	case c.RootFS.Type == nil:
		return errWithout("type of rootfs")
	case c.RootFS.DiffIDs == nil:
		return errWithout("diff_ids of rootfs")
	}
	return nil
}

func errWithout(key string) error { return fmt.Errorf("has no key %s", key) }

func refused(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", what, err, tolerance.ErrRefused)
}
