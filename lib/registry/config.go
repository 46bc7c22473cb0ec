package registry

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"cfs/lib/policy"
)

// ErrName means that a name is not one of an image in a registry.
var ErrName = errors.New("not an image name")

// systemContext is what the configuration packages want to know.
func (o Options) systemContext() (*types.SystemContext, error) {
	sys := &types.SystemContext{AuthFilePath: o.AuthFile, DockerCertPath: o.CertDir}
	if sys.AuthFilePath == "" {
		sys.AuthFilePath = os.Getenv("REGISTRY_AUTH_FILE") // as podman and skopeo
	}
	if sys.AuthFilePath != "" {
		// The package takes one that is missing for empty.
		if _, err := os.Stat(sys.AuthFilePath); err != nil {
			return nil, fmt.Errorf("credentials file: %v", err)
		}
	}
	if o.Username != "" || o.Password != "" {
		sys.DockerAuthConfig = &types.DockerAuthConfig{Username: o.Username, Password: o.Password}
	}
	return sys, nil
}

// resolve returns from where an image may be got, in order: the mirrors, then the
// registry itself, of each registry that its name can mean and whose images a policy accepts.
func resolve(sys *types.SystemContext, name string, p *policy.Policy) ([]place, error) {
	refs, err := candidates(sys, name)
	if err == nil {
		refs, err = allowed(refs, p)
	}
	if err != nil {
		return nil, err
	}
	if len(refs) > 1 && sys.DockerAuthConfig != nil {
		return nil, fmt.Errorf("%w: %q could be in several registries: add the host of the one that the credentials are for", ErrName, name)
	}
	var list []place
	for _, ref := range refs {
		sources, err := sourcesOf(sys, ref)
		if err != nil {
			return nil, err
		}
		for _, s := range sources {
			list = append(list, place{s, reference.Domain(s.Reference) == reference.Domain(ref)})
		}
	}
	return list, nil
}

// allowed returns the references that a policy accepts; an error if it is none.
func allowed(refs []reference.Named, p *policy.Policy) (list []reference.Named, err error) {
	for _, ref := range refs {
		scopes, scopesErr := policy.RegistryScopes(ref)
		if scopesErr == nil {
			scopesErr = p.Check("docker", scopes)
		}
		if scopesErr == nil {
			list = append(list, ref)
		}
		err = errors.Join(err, scopesErr)
	}
	if len(list) > 0 {
		return list, nil
	}
	return nil, err
}

// place is where an image may be got.
type place struct {
	sysregistriesv2.PullSource
	meant bool // it is the registry that the name says, not a mirror
}

func sourcesOf(sys *types.SystemContext, ref reference.Named) ([]sysregistriesv2.PullSource, error) {
	r, err := sysregistriesv2.FindRegistry(sys, ref.Name())
	if err != nil {
		return nil, fmt.Errorf("registries.conf: %w", err)
	}
	if r == nil {
		return []sysregistriesv2.PullSource{{Reference: ref}}, nil
	}
	if r.Blocked {
		return nil, fmt.Errorf("registry %s is blocked in registries.conf", r.Prefix)
	}
	sources, err := r.PullSourcesFromReference(ref)
	if err != nil {
		return nil, fmt.Errorf("registries.conf: %w", err)
	}
	return sources, nil
}

// candidates returns what a name can stand for. One without a host is a short name: an
// alias of registries.conf, or below one of its unqualified-search-registries, or else
// one of the registry that Docker made the default.
func candidates(sys *types.SystemContext, name string) ([]reference.Named, error) {
	full, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrName, name, err)
	}
	full = withoutTag(reference.TagNameOnly(full))
	if hasHost(name) {
		return []reference.Named{full}, nil
	}
	short, rest := cutName(name)
	alias, _, err := sysregistriesv2.ResolveShortNameAlias(sys, short)
	if err != nil {
		return nil, fmt.Errorf("registries.conf: short name %q: %w", short, err)
	}
	if alias != nil {
		ref, err := reference.ParseNormalizedNamed(alias.Name() + rest)
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrName, name, err)
		}
		return []reference.Named{withoutTag(reference.TagNameOnly(ref))}, nil
	}
	hosts, err := sysregistriesv2.UnqualifiedSearchRegistries(sys)
	if err != nil {
		return nil, fmt.Errorf("registries.conf: %w", err)
	}
	if len(hosts) == 0 {
		return []reference.Named{full}, nil
	}
	return search(sys, hosts, name)
}

// search returns a short name in each of the registries to search, if more than one may
// be searched without a question to the user.
func search(sys *types.SystemContext, hosts []string, name string) ([]reference.Named, error) {
	mode, err := sysregistriesv2.GetShortNameMode(sys)
	if err != nil {
		return nil, fmt.Errorf("registries.conf: %w", err)
	}
	if len(hosts) > 1 && mode == types.ShortNameModeEnforcing {
		return nil, fmt.Errorf("%w: %q could be in %s, and registries.conf has short-name-mode=enforcing: add the host of the registry",
			ErrName, name, strings.Join(hosts, ", "))
	}
	var refs []reference.Named
	for _, host := range hosts {
		ref, err := reference.ParseNormalizedNamed(host + "/" + name)
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrName, host+"/"+name, err)
		}
		refs = append(refs, withoutTag(reference.TagNameOnly(ref)))
	}
	return refs, nil
}

// hasHost reports whether a name begins with a registry's host, as Docker tells it.
func hasHost(name string) bool {
	host, _, ok := strings.Cut(name, "/")
	return ok && (strings.ContainsAny(host, ".:") || host == "localhost" || strings.ToLower(host) != host)
}

// cutName cuts a short name from its tag and digest.
func cutName(name string) (short, rest string) {
	if i := strings.IndexAny(name, ":@"); i >= 0 {
		return name[:i], name[i:]
	}
	return name, ""
}

// withoutTag drops the tag of a reference that has a digest too, which alone counts.
func withoutTag(ref reference.Named) reference.Named {
	d, ok := ref.(reference.Digested)
	if !ok {
		return ref
	}
	canonical, err := reference.WithDigest(reference.TrimNamed(ref), d.Digest())
	if err != nil {
		return ref
	}
	return canonical
}

// certDirs are where certificates for a host are looked for, in folders of its name;
// the first that is there counts (containers-certs.d(5)).
func certDirs() []string {
	dirs := []string{"/etc/containers/certs.d", "/etc/docker/certs.d", "/usr/share/containers/certs.d"}
	if config, err := os.UserConfigDir(); err == nil {
		dirs = append([]string{filepath.Join(config, "containers/certs.d")}, dirs...)
	}
	return dirs
}
