package wild

import (
	"bytes"
	"compress/gzip"

	"cfs/testdata/rawtar"
)

// plain is what images of which only the documents matter hold.
var plain = one(usr, file("usr/a", "x"))

const plainTree = "/usr /usr/a=x"

// refused returns a case of a document that two tools would read as two.
func refused(name, says string, c Case) Case {
	c.Name, c.Says, c.Status, c.Strict = name, says, 4, 4
	if c.Platforms == nil {
		c.Layers = plain
	}
	return c
}

var twoPlatforms = []string{"linux/amd64", "linux/arm64"}

// documents are about keys: each document has one reading.
var documents = []Case{
	refused("document-layers-twice", `"layers"`, Case{Manifest: Edit{`"layers"`, `"layers":[],"layers"`}}),
	refused("document-layers-null", `"layers"`, Case{Manifest: Edit{`"layers"`, `"layers":null,"layers"`}}),
	refused("document-layers-escaped", `"layers"`, Case{Manifest: Edit{`"layers"`, `"\u006cayers":[],"layers"`}}),
	refused("document-layers-capital", `"Layers"`, Case{Manifest: Edit{`"layers"`, `"Layers":[],"layers"`}}),
	refused("document-layers-only-capitals", `"LAYERS"`, Case{Manifest: Edit{`"layers"`, `"LAYERS"`}}),
	refused("document-layers-long-s", `layer`, Case{Manifest: Edit{`"layers"`, `"layerſ":[],"layers"`}}),
	refused("document-layers-and-manifests", `"manifests"`, Case{Manifest: Edit{`"layers"`, `"manifests":[],"layers"`}}),
	refused("document-layers-and-history", `"history"`, Case{Manifest: Edit{`"layers"`, `"history":[],"layers"`}}),
	refused("document-config-twice", `"config"`, Case{Manifest: Edit{`"config"`, `"config":{},"config"`}}),
	refused("document-digest-twice", `"digest"`, Case{Manifest: Edit{`"digest"`, `"digest":"x","digest"`}}),
	refused("document-size-capital", `"Size"`, Case{Manifest: Edit{`"size"`, `"Size":1,"size"`}}),
	refused("document-media-type-twice", `"mediaType"`, Case{Manifest: Edit{`"mediaType"`, `"mediaType":"x","mediaType"`}}),
	refused("document-media-type-of-index", `mediaType`, Case{Manifest: Edit{typeManifest, typeIndex}}),
	refused("document-media-type-of-docker", `mediaType`, Case{Layout: Edit{typeManifest, "application/vnd.docker.distribution.manifest.v2+json"}}),
	refused("document-rootfs-twice", `"rootfs"`, Case{Config: Edit{`"rootfs"`, `"rootfs":{},"rootfs"`}}),
	refused("document-rootfs-capital", `"RootFS"`, Case{Config: Edit{`"rootfs"`, `"RootFS":{},"rootfs"`}}),
	refused("document-diff-ids-capital", `"Diff_IDs"`, Case{Config: Edit{`"diff_ids"`, `"Diff_IDs":[],"diff_ids"`}}),
	refused("document-os-twice", `"os"`, Case{Config: Edit{`"os"`, `"os":"plan9","os"`}}),
	refused("document-index-manifests-twice", `"manifests"`, Case{Platforms: twoPlatforms, Index: Edit{`"manifests"`, `"manifests":[],"manifests"`}}),
	refused("document-index-and-layers", `"layers"`, Case{Platforms: twoPlatforms, Index: Edit{`"manifests"`, `"layers":[],"manifests"`}}),
	refused("document-index-platform-capital", `"Architecture"`, Case{Platforms: twoPlatforms, Index: Edit{`"architecture"`, `"Architecture":"x","architecture"`}}),
	refused("document-index-media-type", `mediaType`, Case{Platforms: twoPlatforms, Index: Edit{typeIndex, typeManifest}}),
	refused("document-layout-capital", `"Manifests"`, Case{Layout: Edit{`"manifests"`, `"Manifests":[],"manifests"`}}),
	refused("document-archive-config-twice", `"Config"`, Case{Tags: []string{"app:1"}, Manifest: Edit{`"Config"`, `"Config":"x","Config"`}}),

	{Name: "document-annotations", Layers: plain, Manifest: Edit{`"layers"`, `"annotations":{"a":"1","A":"2","layers":"3","manifests":"4"},"layers"`}, Want: plainTree},
	{Name: "document-unknown-keys", Layers: plain, Manifest: Edit{`"layers"`, `"x":1,"x":{"layers":[],"Layers":[]},"X":2,"layers"`}, Want: plainTree},
	{Name: "document-labels", Layers: plain, Config: Edit{`"config":{}`, `"config":{"Labels":{"a":"1","A":"2","Labels":"3"}}`}, Want: plainTree},
	{Name: "document-without-media-type", Layers: plain, Manifest: Edit{`"mediaType":"` + typeManifest + `",`, ``}, Want: plainTree},
	{Name: "document-without-schema-version", Layers: plain, Manifest: Edit{`"schemaVersion":2,`, ``}, Want: plainTree, Strict: 1},
	{Name: "document-without-rootfs-type", Layers: plain, Config: Edit{`"type":"layers",`, ``}, Want: plainTree, Strict: 1},
}

const amd64, v2, v3 = "linux/amd64", "linux/amd64/v2", "linux/amd64/v3"
const armV5, armV6, armV7, armV8 = "linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/arm/v8"

// platforms are about which image of several is the right one.
var platforms = []Case{
	{Name: "variant-baseline-last", Platforms: []string{v3, v2, amd64}, Want: "/usr /usr/linux-amd64=" + amd64, Strict: 1},
	{Name: "variant-baseline-first", Platforms: []string{amd64, v2, v3}, Want: "/usr /usr/linux-amd64=" + amd64},
	{Name: "variant-other-machine-first", Platforms: []string{"linux/arm64/v8", "windows/amd64", amd64}, Want: "/usr /usr/linux-amd64=" + amd64},
	{Name: "variant-asked-for", Platforms: []string{amd64, v2, v3}, Options: "--platform " + v3, Want: "/usr /usr/linux-amd64-v3=" + v3},
	{Name: "variant-asked-for-not-there", Platforms: []string{v2, amd64}, Options: "--platform " + v3, Want: "/usr /usr/linux-amd64=" + amd64},
	{Name: "variant-no-baseline", Platforms: []string{v2, v3}, Status: 3, Says: amd64, Strict: 1},
	{Name: "variant-arm-exact", Platforms: []string{armV8, armV5, armV6, armV7}, Options: "--platform " + armV6, Want: "/usr /usr/linux-arm-v6=" + armV6},
	{Name: "variant-arm-lower", Platforms: []string{armV5, armV8, armV6}, Options: "--platform " + armV7, Want: "/usr /usr/linux-arm-v6=" + armV6},
	{Name: "variant-arm-none", Platforms: []string{armV8, "linux/arm"}, Options: "--platform " + armV7, Want: "/usr /usr/linux-arm=linux/arm"},
	{Name: "variant-arm-too-new", Platforms: []string{armV8, armV7}, Options: "--platform " + armV5, Status: 3, Says: armV5, Strict: 3},
	{Name: "variant-arm64", Platforms: []string{armV8, "linux/arm64/v8"}, Options: "--platform linux/arm64", Want: "/usr /usr/linux-arm64-v8=linux/arm64/v8"},
}

// gzipped compresses, and adds what stands behind the data.
func gzipped(behind string) func([]byte) []byte {
	return func(data []byte) []byte { return append(members(data), behind...) }
}

// members returns data as so many gzip members.
func members(parts ...[]byte) []byte {
	var out bytes.Buffer
	for _, part := range parts {
		z := gzip.NewWriter(&out)
		z.Write(part) // a buffer takes everything
		z.Close()
	}
	return out.Bytes()
}

func halves(data []byte) []byte { return members(data[:700], data[700:]) }

// stored returns a zstd frame of data that is not compressed (RFC 8878, 3.1.1): a single
// segment with a size of four bytes, and one raw block.
func stored(data []byte) []byte {
	n := len(data)
	block := n<<3 | 1
	head := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, byte(n), byte(n >> 8), byte(n >> 16), 0, byte(block), byte(block >> 8), byte(block >> 16)}
	return append(head, data...)
}

func instead(text string) func([]byte) []byte { return func([]byte) []byte { return []byte(text) } }

// pack returns the tar of a case of its own, so that no other one has stored it before.
func pack(name, mediaType string, pack func([]byte) []byte) []Layer {
	return []Layer{{rawtar.Tar(usr, file("usr/"+name, "x")), mediaType, pack}}
}

// packed are about compression.
var packed = []Case{
	{Name: "gzip-plain", Layers: pack("g1", typeGzip, gzipped("")), Want: "/usr /usr/g1=x"},
	{Name: "gzip-zeros-behind", Layers: pack("g2", typeGzip, gzipped(many("\x00", 300))), Want: "/usr /usr/g2=x"},
	{Name: "gzip-one-zero-behind", Layers: pack("g3", typeGzip, gzipped("\x00")), Want: "/usr /usr/g3=x"},
	{Name: "gzip-garbage-behind", Layers: pack("g4", typeGzip, gzipped("garbage")), Status: 4, Says: "7 bytes after the gzip data", Strict: 4},
	{Name: "gzip-zeros-and-garbage", Layers: pack("g5", typeGzip, gzipped("\x00\x00\x00x")), Status: 4, Says: "bytes after the gzip data", Strict: 4},
	{Name: "gzip-two-members", Layers: pack("g6", typeGzip, halves), Want: "/usr /usr/g6=x"},
	{Name: "gzip-cut-off", Layers: pack("g7", typeGzip, func(data []byte) []byte { return members(data)[:60] }), Status: 4, Says: "unexpected EOF", Strict: 4},
	{Name: "zstd-plain", Layers: pack("g8", typeZstd, stored), Want: "/usr /usr/g8=x"},
	{Name: "zstd-two-frames", Layers: pack("g9", typeZstd, func(data []byte) []byte { return append(stored(data[:600]), stored(data[600:])...) }), Want: "/usr /usr/g9=x"},

	{Name: "type-gzip-is-plain", Layers: pack("t1", typeGzip, nil), Want: "/usr /usr/t1=x", Strict: 1},
	{Name: "type-plain-is-gzip", Layers: pack("t2", typeTar, gzipped("")), Want: "/usr /usr/t2=x", Strict: 1},
	{Name: "type-gzip-is-zstd", Layers: pack("t3", typeGzip, stored), Want: "/usr /usr/t3=x", Strict: 1},
	{Name: "type-zstd-is-gzip", Layers: pack("t4", typeZstd, gzipped("")), Want: "/usr /usr/t4=x", Strict: 1},
	{Name: "type-plain-is-zstd", Layers: pack("t5", typeTar, stored), Want: "/usr /usr/t5=x", Strict: 1},
	{Name: "type-gzip-is-xz", Layers: pack("t6", typeGzip, instead("\xfd7zXZ\x00\x00\x04")), Status: 1, Says: "compressed by xz", Strict: 1},
	{Name: "type-plain-is-bzip2", Layers: pack("t7", typeTar, instead("BZh91AY&SY")), Status: 1, Says: "compressed by bzip2", Strict: 1},
	{Name: "type-docker", Layers: pack("t8", "application/vnd.docker.image.rootfs.diff.tar.gzip", gzipped("")), Want: "/usr /usr/t8=x", Strict: 1},
	{Name: "type-unknown", Layers: pack("t9", "application/x-squashfs", nil), Status: 1, Says: "application/x-squashfs", Strict: 1},
}

// places are about layouts and archives themselves.
var places = []Case{
	{Name: "layout-without-marker", Layers: plain, NoMarker: true, Want: plainTree},
	{Name: "layout-without-marker-no-index", Layers: plain, NoMarker: true, Layout: Edit{`"manifests"`, `"pages"`}, Status: 3, Says: "oci-layout", Strict: 3},
	{Name: "layout-sha512", Layers: plain, SHA512: true, Want: plainTree},
	{Name: "layout-no-layers", Want: "/", Strict: 1},
	{Name: "layout-empty-layer", Layers: one(), Want: "/", Strict: 1},
	{Name: "layout-empty-index", Platforms: []string{}, Status: 3, Says: "no manifest", Strict: 3},
	{Name: "archive-unnamed", Layers: plain, Tags: []string{"app:1"}, Want: plainTree},
	{Name: "archive-short-name", Layers: plain, Tags: []string{"app:1"}, Ask: ":app:1", Want: plainTree},
	{Name: "archive-longer-name", Layers: plain, Tags: []string{"app:1"}, Ask: ":library/app:1", Want: plainTree},
	{Name: "archive-shorter-name", Layers: plain, Tags: []string{"localhost:5000/app:1"}, Ask: ":app:1", Want: plainTree},
	{Name: "archive-latest", Layers: plain, Tags: []string{"app:latest"}, Ask: ":app", Want: plainTree},
	{Name: "archive-other-name", Layers: plain, Tags: []string{"app:1"}, Ask: ":app:2", Status: 3, Says: "app:1", Strict: 3},
}
