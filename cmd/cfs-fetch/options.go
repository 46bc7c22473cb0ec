package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"cfs/lib/manifest"
	"cfs/lib/registry"
	"cfs/lib/source"
	"cfs/lib/tool"
)

// sourceFlags are the options of all commands that read a SOURCE.
func sourceFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "platform", Usage: "of an index, take the image for `OS/ARCH[/VARIANT]` (default: this machine's)"},
		&cli.StringFlag{Name: "spool", Usage: "keep what is on its way in `DIR`, an OCI image layout (default: cfs/spool in the user's cache)"},
		&cli.StringFlag{Name: "authfile", Usage: "credentials are in `FILE` (default: $REGISTRY_AUTH_FILE, else those of podman, skopeo and docker)"},
		&cli.StringFlag{Name: "creds", Usage: "log in as `USER[:PASSWORD]`"},
		&cli.BoolFlag{Name: "password-stdin", Usage: "with --creds USER: the password is the first line of stdin"},
		&cli.StringFlag{Name: "cert-dir", Usage: "certificates and keys for the registry are in `DIR` (default: certs.d)"},
		&cli.BoolFlag{Name: "tls-verify", Value: true, Usage: "HTTPS with a certificate that is verified; --tls-verify=false takes any, and plain HTTP"},
		&cli.IntFlag{Name: "retry-times", Value: 5, Usage: "do again what fails up to `N` times in a row"},
		&cli.DurationFlag{Name: "idle-timeout", Value: 30 * time.Second, Usage: "a connection that gives nothing for `DURATION` has failed"},
	}, tool.RepoFlags()...)
}

// openSource opens the SOURCE operand. retrying is told when something is done again.
func openSource(c *cli.Context, retrying func(error, time.Duration)) (source.Source, error) {
	o, err := registryOptions(c)
	if err != nil {
		return nil, err
	}
	o.Retrying = retrying
	dir, err := spoolDir(c)
	if err != nil {
		dir = os.TempDir() // it is for archives alone, and nothing stays there
	}
	s, err := source.Open(c.Args().First(), source.Options{Registry: o, TempDir: dir})
	if errors.Is(err, source.ErrName) {
		return nil, tool.UsageError("%w", err)
	}
	return s, err
}

func registryOptions(c *cli.Context) (registry.Options, error) {
	o := registry.Options{
		AuthFile:  c.String("authfile"),
		CertDir:   c.String("cert-dir"),
		Retries:   c.Int("retry-times"),
		Idle:      c.Duration("idle-timeout"),
		UserAgent: "cfs-fetch/" + tool.Version,
	}
	if o.Retries < 0 || o.Idle < 0 {
		return o, tool.UsageError("--retry-times and --idle-timeout must not be negative")
	}
	if c.IsSet("tls-verify") {
		verify := c.Bool("tls-verify")
		o.TLSVerify = &verify
	}
	var err error
	o.Username, o.Password, err = credentials(c)
	return o, err
}

// credentials reads --creds and --password-stdin.
func credentials(c *cli.Context) (user, password string, err error) {
	user, password, inline := strings.Cut(c.String("creds"), ":")
	switch {
	case !c.Bool("password-stdin"):
		if c.IsSet("creds") && (user == "" || !inline) {
			return "", "", tool.UsageError("--creds: want USER:PASSWORD, or USER with --password-stdin")
		}
		if inline {
			tool.Warn(c, "warning: a password in the arguments can be seen by everybody on this machine: --password-stdin keeps it secret")
		}
		return user, password, nil
	case user == "" || inline:
		return "", "", tool.UsageError("--password-stdin goes with --creds USER")
	}
	line, err := bufio.NewReader(io.LimitReader(os.Stdin, 64<<10)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", "", err
	}
	return user, strings.TrimRight(line, "\r\n"), nil
}

// platform returns what --platform says, nil if it says nothing.
func platform(c *cli.Context) (*v1.Platform, error) {
	s := c.String("platform")
	if s == "" {
		return nil, nil
	}
	p, err := manifest.ParsePlatform(s)
	if err != nil {
		return nil, tool.UsageError("%w", err)
	}
	return &p, nil
}

func spoolDir(c *cli.Context) (string, error) {
	if dir := c.String("spool"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", tool.UsageError("where is the user's cache? %w: --spool DIR names another place", err)
	}
	return filepath.Join(cache, "cfs", "spool"), nil
}
