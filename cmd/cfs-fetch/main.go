// Cfs-fetch downloads and verifies the blobs of an image, and writes a record for each.
//
// Usage:
//
//	cfs-fetch [options] SOURCE
//	cfs-fetch cat [options] SOURCE DIGEST
//	cfs-fetch inspect [--config] [options] SOURCE
//	cfs-fetch push-signatures [options] LAYOUT docker://HOST/NAME[:TAG|@DIGEST]
//
// It verifies manifest and config, and skips blobs that exist in the repository: later stages find
// these by their streams. The blobs of local directories are used in place, others are downloaded
// into the spool.
//
// Cat writes one blob to stdout, verified; inspect writes the manifest or the config, byte for
// byte. Push-signatures pushes the signatures in a layout to a registry that has their images.
package main

import (
	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

const description = `SOURCE is docker://HOST/NAME[:TAG|@DIGEST], for which a bare NAME stands too,
oci:DIR[:REF] (an OCI image layout), oci-archive:FILE[:REF], docker-archive:FILE[:REF],
dir:DIR or composefs:DIR[:NAME] (another repository). Writes records for cfs-import.

Registries are reached as registries.conf, auth.json, certs.d and the proxies of the
environment say. Signatures are not verified: policy.json is not read. What is named is
verified against its digest.

What is cut off goes on where it stopped, also in a later run: the spool has what there
is of a blob.

EXAMPLES:
   cfs-fetch docker://example.com/app:1 | cfs-import --init | cfs-mkerofs | cfs-link
   cfs-fetch --plan docker://example.com/app:1
   cfs-fetch inspect --config oci:layout | jq .rootfs`

func main() {
	o := &options{}
	tool.Main(&cli.App{
		Name:        "cfs-fetch",
		Usage:       "fetch the blobs of an image",
		UsageText:   "cfs-fetch [options] SOURCE\ncfs-fetch cat [options] SOURCE DIGEST\ncfs-fetch inspect [--config] [options] SOURCE\ncfs-fetch push-signatures [options] LAYOUT docker://HOST/NAME[:TAG|@DIGEST]",
		Description: description,
		Flags:       o.fetchFlags(),
		Action:      o.Action(o.fetch),
		Commands: []*cli.Command{
			{Name: "cat", Usage: "write one blob of an image, verified, to stdout", ArgsUsage: "SOURCE DIGEST", Flags: o.sourceFlags(), Action: o.Action(o.cat)},
			{Name: "inspect", Usage: "write the manifest of an image, or its config, to stdout", ArgsUsage: "SOURCE", Flags: o.inspectFlags(), Action: o.Action(o.inspect)},
			{Name: "push-signatures", Usage: "push the signatures of a layout to the registry of their image", ArgsUsage: "LAYOUT docker://HOST/NAME[:TAG|@DIGEST]",
				Flags: append(o.registryFlags(), o.RecordFlags()...), Action: o.Action(o.pushSignatures)},
		},
	})
}
