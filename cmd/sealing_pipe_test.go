package cmd

import (
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// TestSealingPipe: signing ends a pull, and who does not trust what the repository has linked
// makes the EROFS image anew and verifies that.
func TestSealingPipe(t *testing.T) {
	t.Parallel()
	ours, other := newSigningKey(t, "ours", true), newSigningKey(t, "other", true)
	dir := cmdtest.Scratch(t)
	repo, layout := dir+"/repo", dir+"/layout"
	imagetest.Make(t, layout, imagetest.SmallLayers(t)...)
	pull := "cfs-fetch oci:" + layout + " | cfs-import --init --insecure --progress none | cfs-mkerofs"
	sign := "cfs-link sign --cert " + ours.cert + " --key " + ours.key
	trust := " --trust-cert " + ours.cert

	// What is not linked cannot be signed: nothing would keep the artifact.
	wantError(t, shell(t, repo, pull+" | "+sign), 3, "store the image with cfs-link --tag NAME")
	records := must(t, repo, pull+" | cfs-link --tag a | "+sign)
	lines := strings.Split(strings.TrimSpace(records), "\n")
	if n := len(lines); n < 3 || !strings.HasPrefix(lines[n-2], "referrer ") || !strings.HasPrefix(lines[n-1], "manifest ") {
		t.Errorf("signed in a pipe:\n%s", records)
	}
	if again := must(t, repo, "cfs-link show a | cfs-mkerofs | "+sign); strings.Count(again, "referrer ") == 0 || must(t, repo, "cfs-link ls --json") != must(t, repo, "cfs-link show a | "+sign+" >/dev/null; cfs-link ls --json") {
		t.Errorf("signed again:\n%s", again)
	}

	verified := must(t, repo, "cfs-link show a | cfs-mkerofs | cfs-link verify"+trust)
	if !strings.Contains(verified, "role=merged algorithm=sha512-12 mode=artifact state=verified") || !strings.HasPrefix(verified[strings.LastIndex(strings.TrimSpace(verified), "\n")+1:], "manifest ") {
		t.Errorf("verified in a pipe:\n%s", verified)
	}
	if got, want := must(t, repo, "cfs-link show a | cfs-mkerofs | cfs-link tbs | od -tx1"), must(t, repo, "cfs-link tbs a | od -tx1"); got != want {
		t.Errorf("tbs in a pipe:\n%s\nwant\n%s", got, want)
	}
	wantError(t, shell(t, repo, "cfs-link show a | cfs-mkerofs | cfs-link verify --trust-cert "+other.cert), 3, "no signature by a trusted certificate")
	wantError(t, shell(t, repo, "cfs-link show a | grep -v ^image | cfs-link verify"+trust), 3)
	wantError(t, shell(t, repo, "cfs-link verify"+trust+" </dev/null"), 1, "manifest")
	if r := shell(t, repo, "cfs-fetch oci:/none 2>/dev/null | cfs-link verify"+trust); r.Status != 3 {
		t.Errorf("after a failure: %+v", r)
	}

	// In a pipe seal moves no tag: the new manifest goes on.
	key := must(t, repo, "cfs-link show a | cfs-mkerofs | cfs-link seal --dry-run")
	if want := must(t, repo, "cfs-link seal --dry-run a"); key != want || want == "" {
		t.Errorf("seal --dry-run in a pipe:\n%s\nwant\n%s", key, want)
	}
	before := must(t, repo, "cfs-link ls")
	must(t, repo, "cfs-link show a | cfs-mkerofs | cfs-link seal | cfs-link --tag sealed && cfs-link verify sealed")
	must(t, repo, "cfs-link show a | cfs-link sign --inline --cert "+ours.cert+" --key "+ours.key+" | cfs-link --tag inline && cfs-link verify inline"+trust+" && cfs-link show inline | cfs-link seal | cfs-link --tag inline && cfs-link verify inline"+trust)
	if after := must(t, repo, "cfs-link untag sealed inline && cfs-link ls"); after != before {
		t.Errorf("after that:\n%s\nwant\n%s", after, before)
	}
	wantError(t, shell(t, repo, "cfs-link verify --trust-cert '' a"), 2, "--trust-cert: its value is empty")
	must(t, repo, "cfs-link show a | cfs-link export-signatures "+layout+" | grep -q ^manifest && grep -q vnd.composefs.metadata.v1 "+layout+"/index.json")

	// The repository has another image linked than that which was signed: verifying by name
	// and in the pipe find out.
	forged := dir + "/forged"
	must(t, "", "cp -r "+repo+" "+forged)
	must(t, forged, "echo '/ 0 40755 2 0 0 0 0.0 - - -' | cfs-mkerofs --dumpfile - --store >/dev/null")
	image := strings.Fields(must(t, forged, "cfs-link show a | grep ^image"))[1]
	made := strings.Fields(must(t, forged, "ls $COMPOSEFS_REPO/images | grep -v "+image+" | grep -v refs"))[0]
	wantError(t, shell(t, forged, "cfs-link show a | sed s/"+image+"/"+made+"/ | cfs-link verify"+trust), 4, "says")
	if r := shell(t, forged, "cfs-link show a | sed s/"+image+"/"+made+"/ | cfs-mkerofs | cfs-link verify"+trust); r.Status != 0 {
		t.Errorf("made anew: %+v", r)
	}
}
