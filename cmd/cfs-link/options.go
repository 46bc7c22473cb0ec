package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"cfs/lib/oci"
	"cfs/lib/pull"
	"cfs/lib/repo"
	"cfs/lib/tool"
)

type options struct {
	tool.Options
	tag            string
	noTag, summary bool

	missing, refs, shared, noTrunc bool // of ls
	paths                          bool // of why
	manifest, config, source       bool // of inspect
	dot, svg                       bool // of graph

	require    tool.Optional
	trusted    cli.StringSlice // files of certificates
	cert, key  string          // files, of sign
	signatures cli.StringSlice // ROLE=FILE, of sign
	inlined    bool            // of sign: in the manifest
	dryRun     bool            // of seal
	role       string          // of tbs
	boot       bootOptions
}

func (o *options) flags() []cli.Flag {
	o.require.Words = []string{"image"}
	return append([]cli.Flag{
		&cli.StringFlag{Name: "tag", Destination: &o.tag, Usage: "tag the image `NAME` (default: its source= in the manifest's record)"},
		&cli.BoolFlag{Name: "no-tag", Destination: &o.noTag, Usage: "do not tag the image"},
		&cli.BoolFlag{Name: "summary", Destination: &o.summary, Usage: "write five lines for people on stderr, and no records"},
		tool.NewOptionalFlag("require-signature", "link nothing unless its merged EROFS image is signed; with =image, its manifest or config as well", &o.require),
		o.trustFlag(),
	}, o.common()...)
}

func (o *options) trustFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "trust-cert", Destination: &o.trusted, Usage: "trust signatures by the certificates in `FILE`, PEM or DER; may be repeated"}
}

func (o *options) verifyFlags() []cli.Flag { return append([]cli.Flag{o.trustFlag()}, o.common()...) }

func (o *options) tbsFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "role", Destination: &o.role, Value: "merged", Usage: "select the role `ROLE`: manifest, config, merged or merged.bootable"},
	}, o.RepoFlags()...)
}

func (o *options) signFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "cert", Destination: &o.cert, Usage: "the certificate of the signer, a `FILE` in PEM or DER"},
		&cli.StringFlag{Name: "key", Destination: &o.key, Usage: "the private key, a `FILE` in PEM without a passphrase"},
		&cli.BoolFlag{Name: "inline", Destination: &o.inlined, Usage: "sign in the annotations of a new manifest, and move the tag to it"},
		o.sealConfigFlag(),
		&cli.StringSliceFlag{Name: "signature", Destination: &o.signatures, Usage: "store a signature that was made elsewhere, `ROLE=FILE`; may be repeated"},
	}, o.common()...)
}

var signRules = tool.Rules{
	{If: "key", Not: "signature"}, {If: "inline", Needs: []string{"key"}}, {If: "inline", Not: "signature"}, {If: "config", Needs: []string{"inline"}},
}

func (o *options) sealFlags() []cli.Flag {
	return append([]cli.Flag{
		o.sealConfigFlag(),
		&cli.BoolFlag{Name: "dry-run", Destination: &o.dryRun, Usage: "print the annotations, and write nothing"},
	}, o.common()...)
}

func (o *options) sealConfigFlag() cli.Flag {
	return &cli.BoolFlag{Name: "config", Destination: &o.config, Usage: "also write the digest of the config"}
}

func (o *options) listFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "missing", Destination: &o.missing, Usage: "list only container images without an EROFS image"},
		&cli.BoolFlag{Name: "refs", Destination: &o.refs, Usage: "list the refs of EROFS images instead, as cfs-mkerofs --ref makes them"},
		&cli.BoolFlag{Name: "shared", Destination: &o.shared, Usage: "print how many bytes two images, A and B, share"},
		&cli.BoolFlag{Name: "no-trunc", Destination: &o.noTrunc, Usage: "print full digests on a terminal"},
		o.jsonFlag("write a JSON object for each tag, with its size"),
	}, o.RepoFlags()...)
}

func (o *options) whyFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "paths", Destination: &o.paths, Usage: "also print the paths of the files that need it"},
		o.jsonFlag("write a JSON object for each line"),
	}, o.RepoFlags()...)
}

func (o *options) inspectFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "manifest", Destination: &o.manifest, Usage: "write the manifest, byte for byte"},
		&cli.BoolFlag{Name: "config", Destination: &o.config, Usage: "write the config, byte for byte"},
		&cli.BoolFlag{Name: "source", Destination: &o.source, Usage: "write the SOURCE that the tag was pulled from"},
		o.jsonFlag("write the summary as a JSON object"),
	}, o.RepoFlags()...)
}

var inspectRules = tool.Rules{{If: "manifest", Not: "config"}, {If: "manifest", Not: "json"}, {If: "config", Not: "json"},
	{If: "source", Not: "manifest"}, {If: "source", Not: "config"}, {If: "source", Not: "json"}}

func (o *options) graphFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "dot", Destination: &o.dot, Usage: "write DOT, the language of Graphviz"},
		&cli.BoolFlag{Name: "svg", Destination: &o.svg, Usage: "write an SVG drawing"},
	}, o.RepoFlags()...)
}

var graphRules = tool.Rules{{If: "dot", Not: "svg"}}

func (o *options) whichFlags() []cli.Flag {
	return append([]cli.Flag{o.jsonFlag("write a JSON object for each tag")}, o.RepoFlags()...)
}

// jsonFlag is --json of a command that writes no records.
func (o *options) jsonFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "json", Destination: &o.JSON, Usage: usage}
}

var listRules = tool.Rules{{If: "refs", Not: "shared"}, {If: "refs", Not: "missing"}, {If: "shared", Not: "missing"}}

// common are the options of all that opens the repository.
func (o *options) common() []cli.Flag { return append(o.RepoFlags(), o.RecordFlags()...) }

var rules = tool.Rules{{If: "tag", Not: "no-tag"}, {If: "summary", Not: "json"}, {If: "require-signature", Needs: []string{"trust-cert"}}, {If: "trust-cert", Needs: []string{"require-signature"}}}

// check refuses what is wrong before anything is done.
func (o *options) check() error {
	if len(o.Operands) > 0 {
		return o.Unexpected()
	}
	if err := o.Check(rules); err != nil || o.tag == "" {
		return err
	}
	return checkTag(o.tag)
}

func checkTag(name string) error {
	if err := oci.CheckTag(name); err != nil {
		return tool.UsageError("%w", err)
	}
	return nil
}

// tagOf returns how an image is to be tagged, "" for not at all.
func (o *options) tagOf(m pull.Manifest) (string, error) {
	name := m.Source
	switch {
	case o.noTag:
		return "", nil
	case o.tag != "":
		return o.tag, nil // which has been checked
	case name == "":
		return "", tool.UsageError("manifest %s: its record has no source=: want --tag NAME or --no-tag", m.Digest)
	}
	return name, checkTag(name)
}

// withRepo opens the repository for a command with so many operands, at least and at most.
func (o *options) withRepo(least, most int, open func() (*repo.Repo, error), do func(*repo.Repo) error) error {
	if n := len(o.Operands); n < least || n > most {
		return tool.UsageError("want %s, have %d", countOf(least, most), n)
	}
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	return do(r)
}

// many is no limit to the number of operands.
const many = 1 << 30

func countOf(least, most int) string {
	switch {
	case most == many:
		return fmt.Sprintf("%d or more operands", least)
	case least == 1:
		return "1 operand"
	}
	return fmt.Sprintf("%d operands", least)
}

func (o *options) openToRead() (*repo.Repo, error) { return o.OpenRepo(false) }
