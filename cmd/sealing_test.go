package cmd

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfs/cmd/cmdtest"
)

// sealingVectors is where images are that other programs have signed.
const sealingVectors = "../../shared/vectors/sealing"

// sealing returns the absolute path of the vectors.
func sealing(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(sealingVectors)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("SKIPPED: no vectors of signed images: ", err)
	}
	return path
}

// sealingCase makes the layout of one case.
func sealingCase(t *testing.T, vectors, name string) (layout string) {
	t.Helper()
	layout = cmdtest.Scratch(t)
	must(t, "", "cp -r "+vectors+"/layout/blobs "+vectors+"/layout/oci-layout "+layout+" && chmod -R u+w "+layout+" && cp "+vectors+"/cases/"+name+".json "+layout+"/index.json")
	return layout
}

// TestSealingCases: each image comes to what it should, when it is pulled and then verified, and
// when it is pulled only if it is signed. What is refused is not tagged.
func TestSealingCases(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	vectors := sealing(t)
	text, err := os.ReadFile(vectors + "/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]struct{ Rec [2]int }
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 27 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	trust := " --trust-cert " + vectors + "/TEST-cert.pem"
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pull := "cfs-pull --init --insecure --progress none oci:" + sealingCase(t, vectors, name) + ":base base"
			for n, more := range []string{"", trust} {
				repo := filepath.Join(cmdtest.Scratch(t), "repo")
				r := shell(t, repo, pull+" --with-referrers && cfs-link verify"+more+" base")
				if r.Status != c.Rec[n] {
					t.Errorf("verify%s: exit status %d, want %d\n%s%s", more, r.Status, c.Rec[n], r.Stdout, r.Stderr)
				}
			}
			repo := filepath.Join(cmdtest.Scratch(t), "repo")
			r := shell(t, repo, pull+" --require-signature"+trust)
			if r.Status != c.Rec[1] {
				t.Errorf("pull --require-signature: exit status %d, want %d\n%s%s", r.Status, c.Rec[1], r.Stdout, r.Stderr)
			}
			if tagged := shell(t, repo, "cfs-link show base").Status == 0; tagged != (c.Rec[1] == 0) {
				t.Errorf("tagged: %v", tagged)
			}
			if c.Rec[1] != 0 {
				if left, _ := filepath.Glob(repo + "/streams/oci-manifest-*"); len(left) > 0 {
					t.Errorf("linked: %q", left)
				}
			}
		})
	}
}

// TestSign: what we sign verifies, also after it has travelled in a layout; signing again changes
// nothing, and the artifact is the one that others make.
func TestSign(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	vectors := sealing(t)
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, repo, "cfs-pull --init --insecure --progress none oci:"+sealingCase(t, vectors, "plain")+":base base")
	sign := func(name string) string {
		return must(t, repo, "cfs-link sign base --cert "+vectors+"/"+name+"-cert.pem --key "+vectors+"/"+name+"-key.pem")
	}
	first := sign("TEST")
	files := filesOf(t, repo)
	if again := sign("TEST"); again != first || strings.Join(filesOf(t, repo), "\n") != strings.Join(files, "\n") {
		t.Errorf("signed again:\n%s%s", first, again)
	}
	// The artifact of the vectors, made by another program of the same signatures.
	index, err := os.ReadFile(vectors + "/layout/index.json")
	if err != nil {
		t.Fatal(err)
	}
	if d := parseRecord(t, first).Digest; !strings.Contains(string(index), d) {
		t.Errorf("artifact %s is not that of the vectors", d)
	}
	curve := sign("TEST-ec")
	if again := sign("TEST-ec"); again != curve {
		t.Errorf("signed again by P-256:\n%s%s", curve, again)
	}
	for _, name := range []string{"TEST", "TEST-ec"} {
		out := must(t, repo, "cfs-link verify base --trust-cert "+vectors+"/"+name+"-cert.pem")
		if strings.Count(out, " state=verified ") != 3 {
			t.Errorf("%s: %s", name, out)
		}
	}
	if r := shell(t, repo, "cfs-link verify base --trust-cert "+vectors+"/TEST-other-cert.pem"); r.Status != 3 {
		t.Errorf("by another certificate: exit status %d: %s", r.Status, r.Stderr)
	}
	must(t, repo, "cfs-gc check --content && cfs-link untag base && cfs-gc --allow-empty && cfs-gc check")
	if left, _ := filepath.Glob(repo + "/objects/*/*"); len(left) > 0 {
		t.Errorf("%d objects are left when the image is gone", len(left))
	}
}

// TestSignElsewhere: the Makefile of the examples signs by openssl, once; a signature that is not
// that of the image is not stored.
func TestSignElsewhere(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	for _, tool := range []string{"openssl", "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("SKIPPED: ", err)
		}
	}
	vectors := sealing(t)
	dir := cmdtest.Scratch(t)
	repo := filepath.Join(dir, "repo")
	must(t, repo, "cfs-pull --init --insecure --progress none oci:"+sealingCase(t, vectors, "plain")+":base base")
	example, err := filepath.Abs("../examples/sign.mk")
	if err != nil {
		t.Fatal(err)
	}
	make := "cd " + dir + " && make -s -f " + example + " CERT=" + vectors + "/TEST-cert.pem KEY=" + vectors + "/TEST-key.pem base.signed"
	must(t, repo, make)
	must(t, dir, "cmp "+dir+"/base.tbs "+vectors+"/base/merged.sha512-12.tbs && cmp "+dir+"/base.p7s "+vectors+"/base/merged.sha512-12.p7s")
	must(t, repo, "cfs-link verify base --trust-cert "+vectors+"/TEST-cert.pem")
	before := must(t, dir, "stat -c %Y%i "+dir+"/base.*")
	must(t, repo, make)
	if after := must(t, dir, "stat -c %Y%i "+dir+"/base.*"); after != before {
		t.Errorf("made again: %s, then %s", before, after)
	}
	files := filesOf(t, repo)
	for name, status := range map[string]int{"refused/other-digest": 4, "refused/not-detached": 4, "refused/other-key": 1, "base/config.sha512-12": 4} {
		r := shell(t, repo, "cfs-link sign base --cert "+vectors+"/TEST-cert.pem --signature merged="+vectors+"/"+name+".p7s")
		if r.Status != status {
			t.Errorf("%s: exit status %d, want %d: %s", name, r.Status, status, r.Stderr)
		}
	}
	r := shell(t, repo, "cfs-link sign base --cert "+vectors+"/TEST-other-cert.pem --key "+vectors+"/TEST-key.pem")
	if r.Status != 1 || !strings.Contains(r.Stderr, "does not belong to the key") || strings.Contains(r.Stderr, "PRIVATE") {
		t.Errorf("another's certificate: %+v", r)
	}
	if after := filesOf(t, repo); strings.Join(after, "\n") != strings.Join(files, "\n") {
		t.Error("a refusal has changed the repository")
	}
}

// TestSealingUsage: options that do not go together are wrong usage.
func TestSealingUsage(t *testing.T) {
	t.Parallel()
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, repo, "cfs-import --init --insecure </dev/null")
	for _, code := range []string{
		"cfs-link --require-signature </dev/null", "cfs-link --trust-cert x </dev/null", "cfs-link --require-signature=all --trust-cert x </dev/null",
		"cfs-link sign base", "cfs-link sign base --cert x", "cfs-link sign base --key x --signature merged=x --cert x", "cfs-link sign --cert x --signature x base",
		"cfs-link tbs --role all base", "cfs-link verify a b",
	} {
		if r := shell(t, repo, code); r.Status != 2 {
			t.Errorf("%s: exit status %d: %s", code, r.Status, r.Stderr)
		}
	}
}

// TestShowSigned: the records of a stored image with signatures are those of a pull, and link it
// again.
func TestShowSigned(t *testing.T) {
	t.Parallel()
	vectors := sealing(t)
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, repo, "cfs-pull --init --insecure --progress none --with-referrers oci:"+sealingCase(t, vectors, "artifact-full")+":base base")
	shown := must(t, repo, "cfs-link show base")
	if strings.Count(shown, "\nreferrer ") != 1 || strings.Count(shown, " role=referrer ") != 3 {
		t.Errorf("%s", shown)
	}
	if list := must(t, repo, "cfs-link ls --json"); !strings.Contains(list, `"sealed":true,"signed":3,`) {
		t.Errorf("listed as %s", list)
	}
	if list := must(t, repo, "cfs-link ls"); strings.Count(list, "\t") != 2 {
		t.Errorf("listed for programs as %s", list)
	}
	files := filesOf(t, repo)
	trust := " --require-signature --trust-cert " + vectors + "/TEST-cert.pem"
	if again := must(t, repo, "cfs-link show base | cfs-mkerofs | cfs-link --tag base"+trust); !strings.Contains(again, "role=merged algorithm=sha512-12 mode=artifact state=verified") {
		t.Errorf("%s", again)
	}
	if after := filesOf(t, repo); strings.Join(after, "\n") != strings.Join(files, "\n") {
		t.Error("linking again has changed the repository")
	}
}

// TestSeal: an image that we seal or sign in its manifest verifies; its config and all else that the
// manifest holds stay; doing it again changes nothing; and the digests are those of another program.
func TestSeal(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	vectors := sealing(t)
	repo := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, repo, "cfs-pull --init --insecure --progress none oci:"+sealingCase(t, vectors, "plain")+":base base")
	config, old := must(t, repo, "cfs-link inspect --config base"), must(t, repo, "cfs-link inspect --manifest base")
	files := filesOf(t, repo)
	said := must(t, repo, "cfs-link seal --dry-run --config base")
	want, err := os.ReadFile(vectors + "/../images/base/sealing.json")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(said) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.Contains(string(want), `"`+key+`": "`+value+`"`) {
			t.Errorf("annotation %s", line)
		}
	}
	if after := filesOf(t, repo); strings.Count(said, "\n") != 2 || strings.Join(after, "\n") != strings.Join(files, "\n") {
		t.Errorf("a dry run has changed the repository, or prints %s", said)
	}
	must(t, repo, "cfs-link seal base")
	if r := shell(t, repo, "cfs-link verify base"); r.Status != 0 || strings.Count(r.Stdout, " mode=inline state=digest") != 1 {
		t.Errorf("sealed: %+v", r)
	}
	sign := "cfs-link sign --inline --config base --cert " + vectors + "/TEST-cert.pem --key " + vectors + "/TEST-key.pem"
	first := must(t, repo, sign)
	files = filesOf(t, repo)
	if again := must(t, repo, sign); again != first || strings.Join(filesOf(t, repo), "\n") != strings.Join(files, "\n") {
		t.Errorf("signed again:\n%s%s", first, again)
	}
	must(t, repo, "cfs-link show base | cfs-mkerofs | cfs-link --tag base --require-signature=image --trust-cert "+vectors+"/TEST-cert.pem && cfs-gc check --content")
	if now := must(t, repo, "cfs-link inspect --config base"); now != config {
		t.Errorf("the config has changed: %s", now)
	}
	var was, is map[string]any
	for text, m := range map[string]*map[string]any{old: &was, must(t, repo, "cfs-link inspect --manifest base"): &is} {
		if err := json.Unmarshal([]byte(text), m); err != nil {
			t.Fatal(err)
		}
	}
	delete(is, "annotations")
	delete(was, "annotations")
	delete(is["config"].(map[string]any), "annotations")
	if diff := cmp.Diff(was, is); diff != "" {
		t.Errorf("the manifest has changed: %s", diff)
	}
}

// TestExportSignatures: artifacts go into a layout that has the image, once, and come from there.
func TestExportSignatures(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	vectors := sealing(t)
	repo, layout := filepath.Join(cmdtest.Scratch(t), "repo"), sealingCase(t, vectors, "plain")
	must(t, repo, "cfs-pull --init --insecure --progress none oci:"+layout+":base base")
	if r := shell(t, repo, "cfs-link export-signatures base "+layout); r.Status != 3 {
		t.Errorf("none there: exit status %d: %s", r.Status, r.Stderr)
	}
	must(t, repo, "cfs-link sign base --cert "+vectors+"/TEST-cert.pem --key "+vectors+"/TEST-key.pem")
	empty := cmdtest.Scratch(t)
	must(t, "", "cp "+layout+"/oci-layout "+empty+` && echo '{"schemaVersion":2,"manifests":[]}' >`+empty+"/index.json")
	if r := shell(t, repo, "cfs-link export-signatures base "+empty); r.Status != 3 || len(filesOf(t, empty)) != 2 {
		t.Errorf("image not there: exit status %d: %s", r.Status, r.Stderr)
	}
	first := must(t, repo, "cfs-link export-signatures base "+layout)
	files := filesOf(t, layout)
	if again := must(t, repo, "cfs-link export-signatures base "+layout); again != first || strings.Join(filesOf(t, layout), "\n") != strings.Join(files, "\n") {
		t.Errorf("exported again: %s", again)
	}
	other := filepath.Join(cmdtest.Scratch(t), "repo")
	must(t, other, "cfs-pull --init --insecure --progress none --require-signature --trust-cert "+vectors+"/TEST-cert.pem oci:"+layout+":base base")
}
