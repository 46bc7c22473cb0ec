package manifest

import "maps"

// schema is a kind of JSON object that is read: the keys that the image specification and
// Docker's define for it, each with the schema of the object, or of the objects of the
// array, that it stands for. A nil schema is of what is not looked into: scalars, maps of
// users' own keys, and what only runtimes read.
type schema struct {
	keys  map[string]*schema
	main  string            // the key by which its kind of document is known
	other map[string]string // keys that make it another kind of document as well, and which
}

func leaves(names ...string) map[string]*schema {
	keys := make(map[string]*schema)
	for _, name := range names {
		keys[name] = nil
	}
	return keys
}

// with returns keys and one more.
func with(keys map[string]*schema, name string, s *schema) map[string]*schema {
	keys = maps.Clone(keys)
	keys[name] = s
	return keys
}

// The documents of the image specification and of "Image Manifest Version 2, Schema 2".
var (
	platformSchema   = &schema{keys: leaves("architecture", "os", "os.version", "os.features", "variant", "features")}
	descriptorSchema = &schema{keys: with(
		leaves("mediaType", "digest", "size", "urls", "annotations", "data", "artifactType"), "platform", platformSchema)}
	manifestSchema = &schema{
		keys: map[string]*schema{
			"schemaVersion": nil, "mediaType": nil, "artifactType": nil, "annotations": nil,
			"config": descriptorSchema, "layers": descriptorSchema, "subject": descriptorSchema,
		},
		main:  "layers",
		other: map[string]string{"manifests": anIndex, "fsLayers": aSchema1, "history": aSchema1},
	}
	indexSchema = &schema{
		keys: map[string]*schema{
			"schemaVersion": nil, "mediaType": nil, "artifactType": nil, "annotations": nil,
			"manifests": descriptorSchema, "subject": descriptorSchema,
		},
		main:  "manifests",
		other: map[string]string{"config": aManifest, "layers": aManifest, "fsLayers": aSchema1, "history": aSchema1},
	}
)

const (
	anIndex   = "an index"
	aManifest = "a manifest"
	aSchema1  = "a manifest of Docker's schema 1"
)

// The config of a container image, of the image specification and of "Docker Image
// Specification v1.3". Docker's keys of "config" are those of its containers.
var (
	rootFSSchema  = &schema{keys: leaves("type", "diff_ids")}
	runtimeSchema = &schema{keys: leaves("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir",
		"Labels", "StopSignal", "ArgsEscaped", "Healthcheck", "Shell", "OnBuild", "StopTimeout")}
	configSchema = &schema{keys: with(with(
		leaves("created", "author", "architecture", "os", "os.version", "os.features", "variant", "history"),
		"rootfs", rootFSSchema), "config", runtimeSchema)}
)

// layoutSchema is the file oci-layout, savedSchema an image in the manifest.json of docker
// save ("Combined Image JSON + Filesystem Changeset Format").
var (
	layoutSchema = &schema{keys: leaves("imageLayoutVersion")}
	savedSchema  = &schema{keys: leaves("Config", "RepoTags", "Layers", "Parent", "LayerSources")}
)

// headSchema is what documents are told apart by, referencesSchema what they refer to.
var (
	headSchema       = &schema{keys: leaves("mediaType", "schemaVersion", "manifests")}
	referencesSchema = &schema{keys: map[string]*schema{
		"config": descriptorSchema, "subject": descriptorSchema, "layers": descriptorSchema, "manifests": descriptorSchema,
	}}
)
