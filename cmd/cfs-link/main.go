// Cfs-link writes the config and the manifest of an image with their references,
// and moves the tag. It lists, inspects, draws, adds and removes tags, signs and
// verifies images, and installs their boot entries.
package main

import (
	"github.com/urfave/cli/v2"

	"cfs/lib/tool"
)

const usage = `cfs-link [options] [--tag NAME|--no-tag] [--require-signature[=image] --trust-cert FILE] < RECORDS
cfs-link ls [--json] [--missing] [--no-trunc] [options] [PATTERN]...
cfs-link ls --refs [options]
cfs-link ls --shared [options] NAME|DIGEST NAME|DIGEST
cfs-link inspect [--manifest|--config|--json] [options] NAME|DIGEST
cfs-link show [options] NAME|DIGEST...
cfs-link tag [options] NAME|DIGEST NEW
cfs-link untag [options] NAME|PATTERN|refs/NAME...
cfs-link why [--paths] [options] DIGEST...
cfs-link which [--json] [options] PATH
cfs-link graph [--dot|--svg] [options] [NAME|DIGEST]...
cfs-link verify [--trust-cert FILE]... [options] [NAME|DIGEST]
cfs-link sign --cert FILE --key FILE [options] [NAME|DIGEST]
cfs-link sign --cert FILE --signature ROLE=FILE... [options] [NAME|DIGEST]
cfs-link sign --inline [--config] --cert FILE --key FILE [options] [NAME]
cfs-link seal [--config] [--dry-run] [options] [NAME]
cfs-link export-signatures [options] [NAME|DIGEST] LAYOUT
cfs-link tbs [--role ROLE] [options] [NAME|DIGEST]
cfs-link boot-install [--bootdir DIR] [--cmdline ARG]... [options] NAME|DIGEST
cfs-link boot-list [--bootdir DIR] [--check] [options]
cfs-link boot-remove [--bootdir DIR] [--force] [options] ID...`

const description = `Reads the records of an image, writes its config and its manifest with references to
all that was stored for it, and moves the tag last. Prints the records that now hold.

EXAMPLES:
   cfs-fetch oci:layout | cfs-import | cfs-mkerofs | cfs-link --tag NAME
   cfs-link show NAME | cfs-mkerofs --erofs-version 2 | cfs-link --tag NAME
   cfs-link inspect NAME
   cfs-link untag NAME 'OLD-*' && cfs-gc`

func main() {
	var o options
	tool.Main(&cli.App{
		Name:        "cfs-link",
		Usage:       "link images and tag them",
		UsageText:   usage,
		Description: description,
		Flags:       o.flags(),
		Action:      o.Action(o.filter),
		Commands: []*cli.Command{
			{Name: "ls", Usage: "list tags", ArgsUsage: "[PATTERN]... | --shared A B", Flags: o.listFlags(), Action: o.Action(o.list)},
			{Name: "inspect", Usage: "describe an image, or write its manifest or config", ArgsUsage: "NAME|DIGEST", Flags: o.inspectFlags(), Action: o.Action(o.inspect)},
			{Name: "show", Usage: "write the records of images", ArgsUsage: "NAME|DIGEST...", Flags: o.common(), Action: o.Action(o.show)},
			{Name: "tag", Usage: "add a tag to an image", ArgsUsage: "NAME|DIGEST NEW", Flags: o.RepoFlags(), Action: o.Action(o.tagImage)},
			{Name: "untag", Usage: "remove tags, or refs of EROFS images; what they kept stays until cfs-gc runs", ArgsUsage: "NAME|PATTERN|refs/NAME...", Flags: o.RepoFlags(), Action: o.Action(o.untag)},
			{Name: "why", Usage: "list what keeps an object, a stream or a blob: tags, refs, leases, mounts", ArgsUsage: "DIGEST...", Flags: o.whyFlags(), Action: o.Action(o.why)},
			{Name: "which", Usage: "list the tags whose images have a path", ArgsUsage: "PATH", Flags: o.whichFlags(), Action: o.Action(o.which)},
			{Name: "verify", Usage: "check the digests and signatures of an image", ArgsUsage: "[NAME|DIGEST]", Flags: o.verifyFlags(), Action: o.Action(o.verify)},
			{Name: "sign", Usage: "sign an image, or store signatures of it", ArgsUsage: "[NAME|DIGEST]", Flags: o.signFlags(), Action: o.Action(o.sign)},
			{Name: "seal", Usage: "write the digests of an image into a new manifest", ArgsUsage: "[NAME]", Flags: o.sealFlags(), Action: o.Action(o.seal)},
			{Name: "export-signatures", Usage: "write the signatures of an image into a layout that has it", ArgsUsage: "[NAME|DIGEST] LAYOUT", Flags: o.common(), Action: o.Action(o.export)},
			{Name: "tbs", Usage: "write the bytes that a signature is over", ArgsUsage: "[NAME|DIGEST]", Flags: o.tbsFlags(), Action: o.Action(o.tbs)},
			{Name: "graph", Usage: "draw the graph below tags: manifests, configs, layers, EROFS images", ArgsUsage: "[NAME|DIGEST]...", Flags: o.graphFlags(), Action: o.Action(o.graph)},
			{Name: "boot-install", Usage: "install the boot entry of an image in the boot loader's directory", ArgsUsage: "NAME|DIGEST", Flags: o.bootInstallFlags(), Action: o.Action(o.bootInstall)},
			{Name: "boot-list", Usage: "list the boot entries that name images", Flags: o.bootListFlags(), Action: o.Action(o.bootList)},
			{Name: "boot-remove", Usage: "remove boot entries, kernels that no other entry needs, and the refs of their images", ArgsUsage: "ID...", Flags: o.bootRemoveFlags(), Action: o.Action(o.bootRemove)},
		},
	})
}
