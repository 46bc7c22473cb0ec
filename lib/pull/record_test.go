package pull

import (
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/record"
	"cfs/lib/variant"
	"cfs/lib/verity"
)

var (
	sumA = "sha256:" + strings.Repeat("0a", 32)
	sumB = "sha256:" + strings.Repeat("0b", 32)
	idC  = strings.Repeat("0c", 64)
)

// reprint parses a record by its kind and returns it as it is printed again; ok is false
// for kinds without a type.
func reprint(rec record.Record) (again record.Record, ok bool, err error) {
	switch rec.Kind {
	case kindLayer, kindBlob:
		return reprinted(ParseLayer(rec))
	case kindConfig:
		return reprinted(ParseConfig(rec))
	case kindImage:
		return reprinted(ParseErofsImage(rec))
	case kindPartial:
		return reprinted(ParsePartial(rec))
	case kindTag:
		return reprinted(ParseTag(rec))
	case kindReferrer:
		return reprinted(ParseReferrer(rec))
	case kindManifest:
		return reprinted(ParseManifest(rec))
	}
	return rec, false, nil
}

func reprinted[T interface{ Record() record.Record }](t T, err error) (record.Record, bool, error) {
	return t.Record(), true, err
}

// lines are records of each kind: as stages write them, with keys of nobody here among
// them, and with spellings that stages do not write.
var lines = []string{
	"layer - path=rootfs.tar.gz",
	"layer " + sumA,
	"layer " + sumA + " diff-id=" + sumB + " media-type=application/x size=12 for=" + sumB + " path=/a%20b spooled=1",
	"layer " + sumA + " x=1 size=12 y= diff-id=" + sumB + " z=a=b stream=" + idC + " form=tar-split",
	"layer " + sumA + " spooled=yes path= media-type= size= for= diff-id= stream=",
	"blob " + sumA + " media-type=text/plain size=0 stream=" + idC,
	"blob " + sumA + " media-type=x size=0 role=referrer for=" + sumB + " path=p spooled=1",
	"blob " + sumA + " role=other stream=" + idC,
	"layer " + sumA + " role=referrer stream=" + idC,
	"referrer " + sumA + " subject=" + sumB + " artifact-type=a media-type=m size=3 source=oci:x path=p spooled=1",
	"referrer " + sumA + " x=y stream=" + idC + " subject=" + sumB,
	"config " + sumA + " media-type=application/x size=2 path=c spooled=1 x=y",
	"config " + sumA + " stream=" + strings.ToUpper(idC),
	"image " + idC + " variant=plain erofs-version=1",
	"image " + idC + " x=y xattrs=allowlist-only variant=plain erofs-version=0",
	"image " + idC + " variant=boot erofs-version=2 xattrs=keep-user-xattrs",
	"partial - what=boot status=4",
	"partial - status=007",
	"partial " + sumA + " status=no what=x y=z",
	"tag " + sumA + " name=größe/%FF x=y",
	"tag " + sumA,
	"manifest " + sumA + " media-type=m size=7 source=docker://example.com/a%25 path=m spooled=1",
	"manifest " + sumA + " original=" + sumB + " stream=" + idC + " source=",
}

// TestSame: a record that is read and printed unchanged is the same.
func TestSame(t *testing.T) {
	for _, line := range lines {
		rec, err := record.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		again, ok, err := reprint(rec)
		if err != nil || !ok || again.String() != line {
			t.Errorf("%s\ncame back as\n%s, %v", line, again, err)
		}
	}
}

func FuzzSame(f *testing.F) {
	for _, line := range lines {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		rec, err := record.Parse(line)
		if err != nil {
			return
		}
		if again, _, err := reprint(rec); err == nil && again.String() != rec.String() {
			t.Errorf("%s\ncame back as\n%s", rec, again)
		}
	})
}

// TestBadRecord: what a stage relies on is checked where it is read.
func TestBadRecord(t *testing.T) {
	for line, want := range map[string]string{
		"layer " + idC:                     "no OCI digest",
		"layer - diff-id=x":                `diff-id "x"`,
		"layer - for=sha256:1":             `for "sha256:1"`,
		"layer - size=-1":                  `size "-1" is not a number of bytes`,
		"layer - size=01":                  `size "01" is not a number of bytes`,
		"layer - size=9999999999999999999": "is not a number of bytes",
		"blob - stream=12":                 `stream=: "12" is not an fs-verity digest`,
		"config -":                         `digest "-" names no blob`,
		"manifest -":                       `digest "-" names no blob`,
		"referrer - subject=" + sumB:       `digest "-" names no blob`,
		"referrer " + sumA:                 `subject ""`,
		"referrer " + sumA + " subject=x":  `subject "x"`,
		"tag " + idC:                       "no OCI digest",
		"image -":                          "is not an fs-verity digest",
		"image " + idC:                     "variant=",
		"image " + idC + " variant=plain":  "erofs-version=",
		"image " + idC + " variant=later":  `variant="later"`,
		"image " + idC + " variant=plain erofs-version=1 xattrs=all": "unknown xattr mode",
	} {
		rec, err := record.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := reprint(rec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	if _, err := ParseLayer(record.Record{Kind: kindConfig, Digest: record.None}); err == nil {
		t.Error("a config was taken for a layer")
	}
}

// TestNew: records that are made here have their keys in one order.
func TestNew(t *testing.T) {
	d := v1.Descriptor{Digest: "sha256:a", MediaType: "m", Size: 3}
	id, err := verity.ParseID(idC)
	if err != nil {
		t.Fatal(err)
	}
	layer := NewLayer(d, "sha256:b", "sha256:c")
	inSpool, stored := layer, layer
	inSpool.Path, inSpool.Spooled = "/p", true
	stored.Stream = id
	config := NewConfig(v1.Descriptor{Digest: "sha256:a", Size: 3})
	config.Path = "c"
	manifest := NewManifest(d, "oci:x")
	manifest.Stream = id
	for _, v := range []struct {
		rec  interface{ Record() record.Record }
		want string
	}{
		{layer, "layer sha256:a diff-id=sha256:b media-type=m size=3 for=sha256:c"},
		{inSpool, "layer sha256:a diff-id=sha256:b media-type=m size=3 for=sha256:c path=/p spooled=1"},
		{stored, "layer sha256:a diff-id=sha256:b media-type=m size=3 for=sha256:c stream=" + idC},
		{NewLayer(d, "", "sha256:c"), "blob sha256:a media-type=m size=3 for=sha256:c"},
		{Layer{Blob: Blob{Path: "x", Size: -1}}, "layer - path=x"},
		{config, "config sha256:a media-type= size=3 path=c"},
		{manifest, "manifest sha256:a media-type=m size=3 source=oci:x stream=" + idC},
		{NewReferrerBlob(d, "sha256:c"), "blob sha256:a media-type=m size=3 role=referrer for=sha256:c"},
		{NewReferrer(v1.Descriptor{Digest: "sha256:a", MediaType: "m", ArtifactType: "t", Size: 3}, "sha256:b", "oci:x"),
			"referrer sha256:a subject=sha256:b artifact-type=t media-type=m size=3 source=oci:x"},
		{NewReferrer(d, "sha256:b", ""), "referrer sha256:a subject=sha256:b artifact-type= media-type=m size=3"},
		{NewManifest(d, ""), "manifest sha256:a media-type=m size=3"},
		{Tag{Manifest: "sha256:a", Name: "n"}, "tag sha256:a name=n"},
		{Partial{What: Boot, Status: 4}, "partial - what=boot status=4"},
		{ErofsImage{ID: id}, "image " + idC + " variant=plain erofs-version=0"},
		{ErofsImage{ID: id, Variant: variant.Variant{Boot: true, Format: variant.V2, Xattrs: variant.KeepUserXattrs}},
			"image " + idC + " variant=boot erofs-version=2 xattrs=keep-user-xattrs"},
	} {
		if got := v.rec.Record().String(); got != v.want {
			t.Errorf("got  %s\nwant %s", got, v.want)
		}
	}
}

// TestStore: what is stored says so where it said so before, and no more where it was.
func TestStore(t *testing.T) {
	id, err := verity.ParseID(idC)
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"layer - x=1 path=p spooled=no y=2":             "layer - x=1 y=2 stream=" + idC,
		"layer - x=1 stream=" + idC[:64] + " path= y=2": "layer - x=1 stream=" + idC + " y=2",
	} {
		rec, _ := record.Parse(line)
		l, err := ParseLayer(rec)
		if err != nil {
			t.Fatal(err)
		}
		l.store(id, "")
		if got := l.Record().String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
