package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"cfs/lib/manifest"
	"cfs/lib/registry"
	"cfs/lib/tool"
)

// options are what the command line can say.
type options struct {
	tool.Options

	keepSpool, untrustedSpool, planOnly bool // of fetching
	withReferrers                       bool
	jobs                                int
	incremental                         string
	requestCost                         int64

	config bool // of inspect

	platform, spool, creds string // of all: how a SOURCE is read
	passwordStdin, strict  bool
	insecurePolicy         bool
	registry               registry.Options
}

func (o *options) fetchFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "keep-spool", Destination: &o.keepSpool, Usage: "keep blobs in the spool after they are imported"},
		&cli.BoolFlag{Name: "untrusted-spool", Destination: &o.untrustedSpool, Usage: "as root, accept a spool that another user owns or that others can write to"},
		&cli.BoolFlag{Name: "with-referrers", Destination: &o.withReferrers, Usage: "also fetch the signatures of the image: artifacts that refer to it"},
		&cli.IntFlag{Name: "jobs", Destination: &o.jobs, Value: 4, Usage: "fetch `N` blobs at once"},
		&cli.StringFlag{Name: "incremental", Destination: &o.incremental, Value: incrementalAuto, Usage: "fetch only parts of layers, and take the rest from `IMAGES` of the repository: auto (pulled from the same registry), any or never"},
		&cli.Int64Flag{Name: "request-cost", Destination: &o.requestCost, Value: 64 << 10, Usage: "with --incremental: a request costs as much as `BYTES`; 0: fetch the fewest bytes"},
		&cli.BoolFlag{Name: "plan", Destination: &o.planOnly, Usage: "list what would be fetched and what exists, in bytes; fetch nothing"},
		o.ProgressFlag(),
	}, append(o.sourceFlags(), o.RecordFlags()...)...)
}

func (o *options) inspectFlags() []cli.Flag {
	return append([]cli.Flag{&cli.BoolFlag{Name: "config", Destination: &o.config, Usage: "write the config instead of the manifest"}}, o.sourceFlags()...)
}

// sourceFlags are the options of all commands that read a SOURCE.
func (o *options) sourceFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.StringFlag{Name: "platform", Destination: &o.platform, Usage: "select the image for `OS/ARCH[/VARIANT]` from an index (default: this machine's)"},
		&cli.BoolFlag{Name: "strict", Destination: &o.strict, Usage: "refuse images that cfsctl refuses, or for which it selects another one"},
		&cli.BoolFlag{Name: "insecure-policy", Destination: &o.insecurePolicy, Usage: "accept an image regardless of policy.json"},
		&cli.StringFlag{Name: "spool", Destination: &o.spool, Usage: "store blobs until they are imported in `DIR`, an OCI image layout (default: cfs/spool in the user's cache)"},
	}, o.registryFlags(), o.RepoFlags())
}

// registryFlags are the options that say how registries are reached.
func (o *options) registryFlags() []cli.Flag {
	r := &o.registry
	verify := func(_ *cli.Context, verify bool) error {
		r.TLSVerify = &verify // if it is not given, it is as registries.conf says
		return nil
	}
	return []cli.Flag{
		&cli.StringFlag{Name: "authfile", Destination: &r.AuthFile, Usage: "credentials are in `FILE` (default: $REGISTRY_AUTH_FILE, else those of podman, skopeo and docker)"},
		&cli.StringFlag{Name: "creds", Destination: &o.creds, Usage: "log in as `USER[:PASSWORD]`"},
		&cli.BoolFlag{Name: "password-stdin", Destination: &o.passwordStdin, Usage: "with --creds USER: the password is the first line of stdin"},
		&cli.StringFlag{Name: "cert-dir", Destination: &r.CertDir, Usage: "certificates and keys for the registry are in `DIR` (default: certs.d)"},
		&cli.BoolFlag{Name: "tls-verify", Action: verify, Value: true, Usage: "require HTTPS with a valid certificate; --tls-verify=false accepts any certificate, and plain HTTP"},
		&cli.IntFlag{Name: "retry-times", Destination: &r.Retries, Value: 5, Usage: "retry a failed request up to `N` times in a row"},
		&cli.DurationFlag{Name: "idle-timeout", Destination: &r.Idle, Value: 30 * time.Second, Usage: "treat a connection as failed after `DURATION` without data"},
	}
}

// parsePlatform returns what --platform says, nil if it says nothing.
func (o *options) parsePlatform() (*v1.Platform, error) {
	if o.platform == "" {
		return nil, nil
	}
	p, err := manifest.ParsePlatform(o.platform)
	if err != nil {
		return nil, tool.UsageError("%w", err)
	}
	return &p, nil
}

// parseRegistry returns how registries are reached.
func (o *options) parseRegistry() (registry.Options, error) {
	r := o.registry
	if r.Retries < 0 || r.Idle < 0 {
		return r, tool.UsageError("--retry-times and --idle-timeout must not be negative")
	}
	r.UserAgent = "cfs-fetch/" + tool.Version
	var err error
	r.Username, r.Password, err = o.credentials()
	return r, err
}

// credentials reads --creds and --password-stdin.
func (o *options) credentials() (user, password string, err error) {
	user, password, inline := strings.Cut(o.creds, ":")
	switch {
	case !o.passwordStdin:
		if o.creds != "" && (user == "" || !inline) {
			return "", "", tool.UsageError("--creds: want USER:PASSWORD, or USER with --password-stdin")
		}
		if inline {
			o.Warn("warning: a password on the command line is visible to all users of this machine: use --password-stdin")
		}
		return user, password, nil
	case user == "" || inline:
		return "", "", tool.UsageError("--password-stdin requires --creds USER")
	}
	line, err := bufio.NewReader(io.LimitReader(os.Stdin, 64<<10)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", "", err
	}
	return user, strings.TrimRight(line, "\r\n"), nil
}

// spoolDir returns where the spool is.
func (o *options) spoolDir() (string, error) {
	if o.spool != "" {
		return o.spool, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", tool.UsageError("find the user's cache: %w: use --spool DIR", err)
	}
	return filepath.Join(cache, "cfs", "spool"), nil
}
