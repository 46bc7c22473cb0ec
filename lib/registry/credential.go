package registry

import (
	"context"
	"fmt"

	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// credential returns what the user has for the registry, and for no other host.
func (e *endpoint) credential(sys *types.SystemContext) auth.CredentialFunc {
	return func(ctx context.Context, host string) (auth.Credential, error) {
		if host != e.host {
			return auth.EmptyCredential, nil
		}
		c, err := config.GetCredentialsForRef(sys, e.ref)
		switch {
		case err != nil:
			return auth.EmptyCredential, fmt.Errorf("credentials: %w", err)
		case c.IdentityToken != "":
			return auth.Credential{RefreshToken: c.IdentityToken}, nil
		case c == types.DockerAuthConfig{} && sys.AuthFilePath == "":
			return fromDocker(ctx, host)
		}
		return auth.Credential{Username: c.Username, Password: c.Password}, nil
	}
}

// fromDocker looks into the credential store of Docker's config.json ("credsStore"), which
// podman's package does not know.
func fromDocker(ctx context.Context, host string) (auth.Credential, error) {
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return auth.EmptyCredential, fmt.Errorf("config.json of Docker: %w", err)
	}
	c, err := credentials.Credential(store)(ctx, host)
	if err != nil {
		return auth.EmptyCredential, fmt.Errorf("credential store of Docker's config.json: %w", err)
	}
	return c, nil
}
