package cmd

import (
	"os/exec"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// TestReferenceChecksPulled: the reference finds nothing wrong with what was pulled,
// Docker's manifests and archives among it.
func TestReferenceChecksPulled(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	if _, err := exec.LookPath("cfsctl"); err != nil {
		t.Skip("SKIPPED: the reference is not here: ", err)
	}
	r, h := registrytest.DebianOpen(t), newHome(t)
	imagetest.MakeGzip(t, h.dir+"/layout", imagetest.SmallLayers(t)...)
	for tag, c := range map[string]struct{ source, options string }{
		"oci":            {r.Source("pushed/oci:1"), "--preserve-digests"},
		"docker":         {r.Source("pushed/docker:1"), "--format v2s2"},
		"archive":        {"oci-archive:archive.tar", ""},
		"docker-archive": {"docker-archive:docker.tar:some/image:1", ""},
		"dir":            {"dir:folder", "--format v2s2"},
	} {
		skopeo(t, h, "copy -q --dest-tls-verify=false "+c.options+" oci:layout "+c.source)
		// Each in a repository of its own: nothing that another pull wrote helps.
		h.must("cfs-pull --init --insecure --progress=none --tls-verify=false --repo=" + tag + " --spool=$HOME/spool " + c.source + " " + tag)
		r := h.run("cfsctl --repo " + tag + " oci fsck")
		if r.Status != 0 || !strings.Contains(r.Stdout, "status: ok") || !strings.Contains(r.Stdout, "oci images: 1/1 ok") {
			t.Errorf("%s: exit status %d\n%s%s", tag, r.Status, r.Stdout, r.Stderr)
		}
	}
}

// TestReferencePullsSame: the reference, pulling from the same registry, gets the same
// manifest, and an image of the same digest.
func TestReferencePullsSame(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	if _, err := exec.LookPath("cfsctl"); err != nil {
		t.Skip("SKIPPED: the reference is not here: ", err)
	}
	r, h := registrytest.DebianOpen(t), newHome(t)
	imagetest.MakeGzip(t, h.dir+"/layout", imagetest.SmallLayers(t)...)
	skopeo(t, h, "copy -q --dest-tls-verify=false --preserve-digests oci:layout "+r.Source("some/image:1"))
	ours := h.must("cfs-pull --init --insecure --progress=none --tls-verify=false --spool=$HOME/spool " + r.Source("some/image:1") + " " + tagName)
	h.write(".config/containers/registries.conf", "[[registry]]\nlocation = \""+r.Addr+"\"\ninsecure = true\n")
	h.must("cfsctl --repo theirs init --insecure")
	theirs := h.run("cfsctl --repo theirs oci pull " + r.Source("some/image:1") + " " + tagName)
	if theirs.Status != 0 {
		t.Skipf("SKIPPED: the reference cannot pull here: %s", theirs.Stderr)
	}
	shown := h.must("cfs-link show --repo=theirs " + tagName)
	for line := range strings.Lines(ours) {
		rec := parseRecord(t, line)
		if rec.Kind != "tag" && !strings.Contains(shown, rec.Kind+" "+rec.Digest+" ") {
			t.Errorf("the reference has no %s %s:\n%s", rec.Kind, rec.Digest, shown)
		}
	}
}
