package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cfs/lib/corrupt"
	"cfs/lib/policy"
	"cfs/lib/pull"
	"cfs/lib/registry"
	"cfs/lib/source"
	"cfs/lib/terminal"
	"cfs/lib/tool"
)

// open reads manifest and config of the SOURCE operand. retrying, which may be nil, is told
// when something is done again; stored, which may be nil, knows what need not be fetched.
func (o *options) open(ctx context.Context, retrying func(error, time.Duration), stored pull.Stored) (*pull.Origin, error) {
	if where, ok := strings.CutPrefix(o.Operands[0], composefs); ok {
		return o.openRepository(ctx, where)
	}
	platform, err := o.parsePlatform()
	if err != nil {
		return nil, err
	}
	r, err := o.parseRegistry()
	if err != nil {
		return nil, err
	}
	r.Retrying = retrying
	p, err := o.policy()
	if err != nil {
		return nil, err
	}
	dir, err := o.spoolDir()
	if err != nil {
		dir = os.TempDir() // it is for archives alone, and nothing stays there
	}
	s, err := source.Open(o.Operands[0], source.Options{Registry: r, TempDir: dir, Strict: o.strict, Several: o.warnOfSeveral, Policy: p})
	if errors.Is(err, source.ErrName) {
		return nil, tool.UsageError("%w", err)
	}
	if err != nil {
		return nil, explain(err)
	}
	origin, err := pull.OpenOrigin(ctx, s, o.Operands[0], platform, stored)
	if err != nil {
		return nil, fileMeant(o.Operands[0], explain(err))
	}
	if err := o.check(origin, platform != nil); err != nil {
		return nil, errors.Join(err, origin.Close())
	}
	return origin, nil
}

func (o *options) warnOfSeveral(names []string) {
	o.Warn("warning: %s has several images, and the first match is used: name one of %s, as in %s:%s",
		terminal.Line(o.Operands[0]), terminal.Line(strings.Join(names, ", ")), terminal.Line(o.Operands[0]), terminal.Line(names[0]))
}

// policy returns the policy that is configured, nil if it is not asked.
func (o *options) policy() (*policy.Policy, error) {
	if o.insecurePolicy {
		return nil, nil
	}
	p, err := policy.Read()
	if err != nil {
		return nil, tool.Hint(err, "--insecure-policy does not read it")
	}
	return p, nil
}

// check refuses what --strict refuses, and warns of an image for another platform which was
// not asked for.
func (o *options) check(origin *pull.Origin, asked bool) error {
	if o.strict {
		if err := origin.CheckStrict(); err != nil {
			return err
		}
	}
	if err := origin.CheckHost(); err != nil && !asked {
		o.Warn("warning: %v", err)
	}
	return nil
}

// explain adds to an error of a source, or of the spool, what is to be done about it.
func explain(err error) error {
	switch {
	case err == nil, corrupt.Is(err):
		return err
	case isFull(err):
		return tool.Hint(err, "partial blobs stay in the spool: free some space and run the same command again, or use another --spool DIR")
	case errors.Is(err, policy.ErrUnverifiable):
		return tool.Hint(err, "--insecure-policy accepts the image anyway")
	case errors.Is(err, registry.ErrLogin):
		return tool.Hint(err, "log in with podman login or skopeo login, or give --authfile FILE or --creds USER --password-stdin")
	}
	return err
}

// hasTransport matches a SOURCE that says what it is.
var hasTransport = regexp.MustCompile(`^(docker|composefs|oci|oci-archive|docker-archive|dir):`)

// fileMeant says of an image that cannot be had from a registry how to name the file or the directory that
// the operand names as well, with a reference or without.
func fileMeant(operand string, err error) error {
	if hasTransport.MatchString(operand) || tool.Status(err) == tool.Corrupt {
		return err
	}
	for _, path := range []string{operand, operand[:max(strings.LastIndexByte(operand, ':'), 0)]} {
		switch info, statErr := os.Stat(path); {
		case statErr != nil:
		case info.IsDir():
			return tool.Hint(err, "a directory is named as oci:%s or dir:%s", terminal.Line(operand), terminal.Line(path))
		default:
			return tool.Hint(err, "a file is named as docker-archive:%s or oci-archive:%s", terminal.Line(operand), terminal.Line(operand))
		}
	}
	return err
}

// isFull reports whether there is no room for what is fetched. Records, and what cat writes,
// go elsewhere.
func isFull(err error) bool {
	if e, ok := errors.AsType[*fs.PathError](err); ok && e.Path == os.Stdout.Name() {
		return false
	}
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
