package seal

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/corrupt"
	"cfs/lib/signature"
	"cfs/lib/verity"
)

// shared is where images are that other programs have sealed, with what each case comes to.
const shared = "../../../shared/vectors/"

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(shared + name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("SKIPPED: no vectors of sealed images: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse[T any](t testing.TB, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func blobOf(t testing.TB, d digest.Digest) []byte {
	t.Helper()
	return read(t, "sealing/layout/blobs/sha256/"+d.Encoded())
}

// imageOf returns the image of an index, and the artifacts beside it, whatever they refer to.
func imageOf(t testing.TB, index []byte) (i Image) {
	t.Helper()
	list := parse[v1.Index](t, index).Manifests
	text := blobOf(t, list[0].Digest)
	i = Image{Digest: list[0].Digest, Manifest: parse[v1.Manifest](t, text), Algorithm: verity.SHA512}
	merged := parse[struct{ Annotations map[string]string }](t, read(t, "images/base/sealing.json")).Annotations[Merged.Key(verity.SHA512)]
	id, err := verity.ParseID(merged)
	if err != nil {
		t.Fatal(err)
	}
	i.IDs = map[Role]verity.ID{Manifest: verity.SHA512.Sum(text), Config: verity.SHA512.Sum(blobOf(t, i.Manifest.Config.Digest)), Merged: id}
	for _, d := range list[1:] {
		a := Artifact{Digest: d.Digest, Manifest: parse[v1.Manifest](t, blobOf(t, d.Digest))}
		if a.Manifest.Subject == nil || a.Manifest.Subject.Digest != i.Digest || a.Manifest.ArtifactType != "application/vnd.composefs.metadata.v1" {
			continue // of which whoever lists the artifacts of an image knows nothing
		}
		for _, l := range a.Manifest.Layers {
			a.Blobs = append(a.Blobs, blobOf(t, l.Digest))
		}
		i.Artifacts = append(i.Artifacts, a)
	}
	return i
}

func trust(t testing.TB, name string) []*x509.Certificate {
	t.Helper()
	list, err := signature.ParseCertificates(read(t, "sealing/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// statusOf returns the exit status that an error becomes.
func statusOf(err error) int {
	switch {
	case err == nil:
		return 0
	case corrupt.Is(err):
		return 4
	case errors.Is(err, fs.ErrNotExist):
		return 3
	}
	return 1
}

// TestCases: each case comes to what it should, without and with a certificate.
func TestCases(t *testing.T) {
	cases := parse[map[string]struct{ Rec [2]int }](t, read(t, "sealing/cases.json"))
	for name, c := range cases {
		i := imageOf(t, read(t, "sealing/cases/"+name+".json"))
		for n, trusted := range [][]*x509.Certificate{nil, trust(t, "TEST-cert.pem")} {
			_, _, err := i.Verify(Wanted{Trusted: trusted, Role: Merged})
			if got := statusOf(err); got != c.Rec[n] {
				t.Errorf("%s, with %d certificates: %d, want %d: %v", name, len(trusted), got, c.Rec[n], err)
			}
		}
	}
	if len(cases) < 27 {
		t.Errorf("%d cases", len(cases))
	}
}

// caseOf returns the image of one case.
func caseOf(t testing.TB, name string) Image {
	t.Helper()
	return imageOf(t, read(t, "sealing/cases/"+name+".json"))
}

// TestStates: what is verified is told, entry by entry.
func TestStates(t *testing.T) {
	for name, want := range map[string]string{
		"artifact-full":            "manifest verified, config verified, merged verified",
		"artifact-unsigned":        "",
		"inline-good":              "merged verified",
		"inline-chain":             "merged verified",
		"inline-both-algorithms":   "merged verified",
		"artifact-both-algorithms": "manifest verified, config verified, merged verified",
	} {
		list, _, _ := caseOf(t, name).Verify(Wanted{Trusted: trust(t, "TEST-cert.pem"), Role: Merged})
		var got []string
		for _, s := range list {
			got = append(got, fmt.Sprintf("%s %s", s.Role, s.State))
			if s.State == Verified && !strings.Contains(s.Signer, "CN=composefs TEST") {
				t.Errorf("%s: signer %q", name, s.Signer)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestStrangers: an artifact of somebody who is not trusted blocks nothing, whatever it says;
// without certificates nobody is a stranger.
func TestStrangers(t *testing.T) {
	i, good := caseOf(t, "artifact-tampered"), caseOf(t, "artifact-full")
	i.Artifacts = append(i.Artifacts, good.Artifacts...)
	trusted := Wanted{Trusted: trust(t, "TEST-other-cert.pem"), Role: Merged}
	if _, warnings, err := i.Verify(trusted); statusOf(err) != 3 || len(warnings) != 2 {
		t.Errorf("strangers alone: %v, %q", err, warnings)
	}
	if _, _, err := i.Verify(Wanted{Role: Merged}); statusOf(err) != 4 {
		t.Errorf("without certificates: %v", err)
	}
	mixed := caseOf(t, "artifact-mixed-algorithms")
	mixed.Artifacts[0].Blobs = make([][]byte, len(mixed.Artifacts[0].Blobs))
	mixed.Artifacts = append(mixed.Artifacts, good.Artifacts...)
	if _, warnings, err := mixed.Verify(Wanted{Trusted: trust(t, "TEST-cert.pem"), Role: Merged}); err != nil || len(warnings) != 1 {
		t.Errorf("a stranger's artifact of mixed algorithms: %v, %q", err, warnings)
	}
}

// TestStrangersBorrow: a good signature in a layer of another type does not make an artifact count.
func TestStrangersBorrow(t *testing.T) {
	i, borrowed := caseOf(t, "artifact-full"), caseOf(t, "artifact-tampered").Artifacts[0]
	borrowed.Manifest.Layers, borrowed.Blobs = slices.Clone(borrowed.Manifest.Layers), slices.Clone(borrowed.Blobs)
	for n := range borrowed.Manifest.Layers {
		borrowed.Manifest.Layers[n].MediaType, borrowed.Blobs[n] = "application/octet-stream", i.Artifacts[0].Blobs[0]
	}
	i.Artifacts = append(i.Artifacts, borrowed)
	if _, warnings, err := i.Verify(Wanted{Trusted: trust(t, "TEST-cert.pem"), Role: Merged}); err != nil || len(warnings) != 1 {
		t.Errorf("%v, %q", err, warnings)
	}
}

// TestBrokenBlobs: in an artifact that a trusted signer has signed in, no blob may be malformed.
func TestBrokenBlobs(t *testing.T) {
	for _, blob := range []string{"not-detached", "trailing-byte", "with-attributes", "truncated", "flipped", "other-digest"} {
		i := caseOf(t, "artifact-full")
		a := &i.Artifacts[0]
		a.Blobs = slices.Clone(a.Blobs)
		a.Blobs[2] = read(t, "sealing/refused/"+blob+".p7s")
		if _, _, err := i.Verify(Wanted{Trusted: trust(t, "TEST-cert.pem"), Role: Merged}); statusOf(err) != 4 {
			t.Errorf("%s: %v", blob, err)
		}
	}
}

// TestWanted: what is wanted beside the merged image must be there, and signed.
func TestWanted(t *testing.T) {
	trusted := trust(t, "TEST-cert.pem")
	for _, c := range []struct {
		name  string
		want  Wanted
		bad   bool
		about string
	}{
		{"artifact-full", Wanted{trusted, Merged, true}, false, ""},
		{"artifact-merged-only", Wanted{trusted, Merged, true}, true, "its config"},
		{"inline-config", Wanted{nil, Merged, true}, false, ""},
		{"inline-good", Wanted{trusted, Merged, true}, true, "its config"},
		{"artifact-full", Wanted{trusted, Bootable, false}, true, "merged.bootable EROFS image of format 1"},
	} {
		_, _, err := caseOf(t, c.name).Verify(c.want)
		if c.bad && (statusOf(err) != 3 || !strings.Contains(err.Error(), c.about)) || !c.bad && err != nil {
			t.Errorf("%s: %+v: %v", c.name, c.want.Role, err)
		}
	}
	i := caseOf(t, "artifact-full")
	delete(i.IDs, Merged)
	if _, _, err := i.Verify(Wanted{Role: Merged}); statusOf(err) != 3 || !strings.Contains(err.Error(), "format 1") {
		t.Errorf("an image of another format: %v", err)
	}
}

// TestConfigStream: the digest of the object that holds the config here, which one program claims
// for the config, is passed over; any other wrong one is not.
func TestConfigStream(t *testing.T) {
	i := caseOf(t, "inline-good")
	stream := verity.SHA512.Sum([]byte("stream"))
	i.Manifest.Config.Annotations = map[string]string{Config.Key(verity.SHA512): stream.String()}
	if _, _, err := i.Verify(Wanted{Role: Merged}); statusOf(err) != 4 {
		t.Errorf("another digest: %v", err)
	}
	i.ConfigStream = stream
	if _, warnings, err := i.Verify(Wanted{Role: Merged}); err != nil || len(warnings) != 1 {
		t.Errorf("%v, %q", err, warnings)
	}
}

// TestUpperCase: digests are compared as text.
func TestUpperCase(t *testing.T) {
	i := caseOf(t, "inline-good")
	key := Merged.Key(verity.SHA512)
	i.Manifest.Annotations[key] = strings.ToUpper(i.Manifest.Annotations[key])
	if _, _, err := i.Verify(Wanted{Role: Merged}); statusOf(err) != 4 {
		t.Error(err)
	}
}

// FuzzVerify: whatever annotations and blobs hold, an image of another digest than is claimed does
// not pass, and nothing panics.
func FuzzVerify(f *testing.F) {
	id := verity.SHA512.Sum([]byte("image"))
	for _, key := range []string{Merged.Key(verity.SHA512), Merged.Key(verity.SHA256), layer.Key(verity.SHA512), "composefs.merged.erofs.v2.fsverity-sha512-12", "composefs..fsverity-"} {
		f.Add(key, id.String(), "e30=", []byte("{}"), MediaTypeSignature)
	}
	f.Fuzz(func(t *testing.T, key, value, text string, blob []byte, mediaType string) {
		i := Image{Algorithm: verity.SHA512, IDs: map[Role]verity.ID{Merged: id}}
		i.Manifest.Annotations = map[string]string{key: value, key + SignatureSuffix: text}
		i.Artifacts = []Artifact{{Manifest: v1.Manifest{Layers: []v1.Descriptor{{MediaType: mediaType, Annotations: map[string]string{key: value}}}}, Blobs: [][]byte{blob}}}
		_, _, err := i.Verify(Wanted{Role: Merged})
		if err == nil && (key != Merged.Key(verity.SHA512) || value != id.String()) {
			t.Errorf("%q=%q passes", key, value)
		}
		if decoded, err := decode(text); err == nil && bytes.ContainsAny([]byte(text), "\r\n") {
			t.Errorf("%q is read as %q", text, decoded)
		}
	})
}
