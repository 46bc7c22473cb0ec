package policy

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.podman.io/image/v5/docker/reference"
)

const example = `{
 "default": [{"type": "reject"}],
 "transports": {
  "docker": {
   "registry.example": [{"type": "insecureAcceptAnything"}],
   "registry.example/secret": [{"type": "insecureAcceptAnything"}, {"type": "reject"}],
   "registry.example/signed": [{"type": "insecureAcceptAnything"}, {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}],
   "registry.example/signed/one:v1": [{"type": "insecureAcceptAnything"}],
   "*.wild.example": [{"type": "sigstoreSigned", "keyPath": "/k"}]
  },
  "oci": {"": [{"type": "insecureAcceptAnything"}], "/srv/no": [{"type": "reject"}]},
  "atomic": {"anything": [{"type": "reject"}]}
 }
}`

// TestCheck: the most specific scope counts, and that alone.
func TestCheck(t *testing.T) {
	p, err := Parse("policy.json", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]string{
		"registry.example/a:latest":                             "",
		"registry.example:5000/a:latest":                        "rejects all images by default",
		"registry.example/secret/deep/a:latest":                 "rejects images of docker:registry.example/secret",
		"registry.example/secrets:latest":                       "",
		"registry.example/signed/two:v1":                        "requires signedBy for images of docker:registry.example/signed, which cannot be verified here",
		"registry.example/signed/one:v1":                        "",
		"registry.example/signed/one:v2":                        "requires signedBy",
		"a.wild.example/x:1":                                    "requires sigstoreSigned for images of docker:*.wild.example",
		"wild.example/x:1":                                      "rejects all images by default",
		"registry.example/a@sha256:" + strings.Repeat("0", 64):  "",
		"docker.io/library/a@sha256:" + strings.Repeat("0", 64): "rejects all images by default",
	} {
		ref, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			t.Fatal(err)
		}
		scopes, err := RegistryScopes(ref)
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, image, p.Check("docker", scopes), want)
	}
	for name, want := range map[string]string{"/srv/a": "", "/srv/no": "rejects images of oci:/srv/no", "/srv/no/deep": "rejects", "/srv/nothing": "", "/": ""} {
		wantErr(t, name, p.Check("oci", PathScopes(name)), want)
	}
	wantErr(t, "dir", p.Check("dir", PathScopes("/srv/a")), "rejects all images by default")
	wantErr(t, "docker-archive", p.Check("docker-archive", nil), "rejects all images by default")
	wantErr(t, "no policy", (*Policy)(nil).Check("dir", nil), "")
}

func wantErr(t *testing.T, what string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
	if errors.Is(err, ErrUnverifiable) != strings.Contains(want, "requires") {
		t.Errorf("%s: %v is ErrUnverifiable: %v", what, err, errors.Is(err, ErrUnverifiable))
	}
}

func TestPathScopes(t *testing.T) {
	if got := PathScopes("/a/b/c"); !slices.Equal(got, []string{"/a/b/c", "/a/b", "/a"}) {
		t.Error(got)
	}
}

// invalid are texts that are no policy, and what is said of them.
var invalid = map[string]string{
	``:                                  "unexpected EOF",
	`[]`:                                "want {",
	`{}`:                                "no default",
	`{"default":[]}`:                    "empty",
	`{"default":{}}`:                    "want [",
	`{"default":[{}]}`:                  "unknown",
	`{"default":["reject"]}`:            "want {",
	`{"default":[{"type":1}]}`:          "cannot unmarshal",
	`{"default":[{"type":"reject"}]} x`: "data after its end",
	`{"default":[{"type":"reject"}]}{}`: "data after its end",
	`{"default":[{"type":"reject"}],"default":[{"type":"insecureAcceptAnything"}]}`:                `"default" occurs twice`,
	`{"default":[{"type":"reject","type":"insecureAcceptAnything"}]}`:                              `"type" occurs twice`,
	`{"default":[{"type":"insecureAcceptAnything"}],"Default":[{"type":"reject"}]}`:                `"Default" is unknown`,
	`{"default":[{"type":"insecureAcceptAnything","keyPath":"/k"}]}`:                               `has a key "keyPath"`,
	`{"default":[{"type":"newAndSafe"}]}`:                                                          `"newAndSafe", which is unknown`,
	`{"default":[{"type":"reject"}],"transports":{"dir":{"a":[{"type":"reject"}]}}}`:               `scope "a" of dir`,
	`{"default":[{"type":"reject"}],"transports":{"oci":{"/":[{"type":"reject"}]}}}`:               `scope "/" of oci`,
	`{"default":[{"type":"reject"}],"transports":{"oci-archive":{"/a/../b":[{"type":"reject"}]}}}`: `scope "/a/../b"`,
	`{"default":[{"type":"reject"}],"transports":{"docker-archive":{"/a":[{"type":"reject"}]}}}`:   "no scope but",
	`{"default":[{"type":"reject"}],"transports":{"docker":{"a":[]}}}`:                             "empty",
	`{"default":[{"type":"reject"}],"transports":{"docker":{},"docker":{}}}`:                       `"docker" occurs twice`,
	`{"default":[{"type":"reject"}],"transports":null}`:                                            "want {",
	`{"default":[{"type":"reject"}`:                                                                "unexpected EOF",
}

func TestInvalid(t *testing.T) {
	for text, want := range invalid {
		if _, err := Parse("policy.json", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestRead: where a policy is found.
func TestRead(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home+"/.config")
	t.Setenv("CONTAINERS_POLICY_JSON", "")
	name := home + "/.config/containers/policy.json"
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{example: "", `{`: "not a valid policy", strings.Repeat(" ", maxSize+1): "more than"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := Read()
		if want == "" && (err != nil || p.path != name) || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name)) {
			t.Errorf("%.20q: %+v, %v", text, p, err)
		}
	}
	t.Setenv("CONTAINERS_POLICY_JSON", home+"/none")
	if p, err := Read(); err == nil {
		t.Errorf("what the environment names is missing: %+v", p)
	}
}

// FuzzParse: no text makes a policy that accepts what has no accepting requirement in it.
func FuzzParse(f *testing.F) {
	f.Add(example)
	for text := range invalid {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse("policy.json", []byte(text))
		if err != nil {
			return
		}
		if p.Check("docker", []string{"a"}) == nil && !strings.Contains(text, `\u`) && !strings.Contains(text, string(accept)) {
			t.Errorf("accepted by %q", text)
		}
	})
}
