// Package policy reads policy.json, which defines the sources from which images are accepted
// (containers-policy.json(5)), and enforces the requirements insecureAcceptAnything and reject.
// Any other requirement needs kinds of signatures that are not supported, so the image is
// refused: requirements are never ignored.
package policy

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker/policyconfiguration"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/storage/pkg/configfile"
)

// ErrUnverifiable means that a policy wants what cannot be verified here.
var ErrUnverifiable = errors.New("cannot be verified here")

// Policy is what a policy.json says.
type Policy struct {
	path       string
	general    []requirement
	transports map[string]map[string][]requirement // by transport and scope
}

// requirement is a type of containers-policy.json(5), "reject" or the like.
type requirement string

// The requirements that can be enforced.
const (
	accept requirement = "insecureAcceptAnything"
	reject requirement = "reject"
)

// unverifiable are the others that there are.
var unverifiable = []requirement{"signedBy", "signedBaseLayer", "sigstoreSigned"}

// maxSize is how large a policy.json may be, in bytes.
const maxSize = 4 << 20

// Read reads the policy.json that is configured: of $CONTAINERS_POLICY_JSON, the user, the
// administrator or the distribution, the first that is there. It returns nil if there is
// none, which accepts everything.
func Read() (*Policy, error) {
	for item, err := range configfile.Read(&configfile.File{
		Name: "policy", Extension: "json", EnvironmentName: "CONTAINERS_POLICY_JSON", DoNotLoadDropInFiles: true,
	}) {
		if err != nil {
			return nil, fmt.Errorf("policy.json: %w", err)
		}
		text, err := io.ReadAll(io.LimitReader(item.Reader, maxSize+1))
		if err == nil && len(text) > maxSize {
			err = fmt.Errorf("has more than %d bytes", maxSize)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", item.Name, err)
		}
		return Parse(item.Name, text)
	}
	return nil, nil
}

// Parse reads the text of a policy.json, whose path is for errors.
func Parse(path string, text []byte) (*Policy, error) {
	p := &Policy{path: path, transports: map[string]map[string][]requirement{}}
	if err := p.parse(text); err != nil {
		return nil, fmt.Errorf("%s is not a valid policy: %w", path, err)
	}
	return p, nil
}

// Check returns why images of a transport, such as "docker", are not accepted: of the scopes, the
// most specific first, the first that the policy has counts. The error wraps ErrUnverifiable if that asks for
// what cannot be verified.
func (p *Policy) Check(transport string, scopes []string) error {
	if p == nil {
		return nil
	}
	for _, scope := range append(slices.Clone(scopes), "") {
		if list, ok := p.transports[transport][scope]; ok {
			return p.check(list, fmt.Sprintf("images of %s:%s", transport, scope))
		}
	}
	return p.check(p.general, "all images by default")
}

func (p *Policy) check(list []requirement, what string) error {
	if slices.Contains(list, reject) {
		return fmt.Errorf("%s rejects %s", p.path, what)
	}
	for _, r := range list {
		if r != accept {
			return fmt.Errorf("%s requires %s for %s, which %w", p.path, r, what, ErrUnverifiable)
		}
	}
	return nil
}

// RegistryScopes returns the scopes of an image in a registry, which has a tag or a digest.
func RegistryScopes(image reference.Named) ([]string, error) {
	identity, err := policyconfiguration.DockerReferenceIdentity(image)
	if err != nil {
		return nil, err
	}
	return append([]string{identity}, policyconfiguration.DockerReferenceNamespaces(image)...), nil
}

// PathScopes returns the scopes of what has an absolute path without symbolic links: that,
// and the folders above it but the root.
func PathScopes(name string) (scopes []string) {
	for ; name != "/" && name != "."; name = path.Dir(name) {
		scopes = append(scopes, name)
	}
	return scopes
}

// checkScope refuses a scope that could never match, as the one who wrote it means something by it.
func checkScope(transport, scope string) error {
	switch {
	case scope == "":
		return nil
	case transport == "docker-archive":
		return fmt.Errorf("docker-archive has no scope but \"\", not %q", scope)
	case !slices.Contains([]string{"oci", "oci-archive", "dir"}, transport):
		return nil
	case !strings.HasPrefix(scope, "/") || scope == "/" || path.Clean(scope) != scope:
		return fmt.Errorf("the scope %q of %s is not a clean absolute path below /", scope, transport)
	}
	return nil
}
