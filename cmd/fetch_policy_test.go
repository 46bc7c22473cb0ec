package cmd

import (
	"fmt"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/imagetest"
	"cfs/cmd/internal/registrytest"
)

// TestPolicy: what policy.json rejects is not asked for, and what it wants signed is refused by
// name; of the policies that there are the one that is meant counts.
func TestPolicy(t *testing.T) {
	t.Parallel()
	r := registrytest.DebianOpen(t)
	r.Push(t, randomImage(t, 14, 500), "team/app:1")
	h := newHome(t)
	imagetest.Make(t, h.dir+"/layout", imagetest.Tar(t, imagetest.File("a", "text")))
	must(t, "", "cd "+cmdtest.Quote(h.dir)+" && tar -cf archive -C layout oci-layout index.json blobs && ln -s layout link")
	fetch := "cfs-fetch --insecure-policy=false --tls-verify=false --spool=spool "
	const name = ".config/containers/policy.json"
	policy := func(text string) { h.write(name, strings.NewReplacer("HOST", r.Addr, "DIR", h.dir).Replace(text)) }

	h.must(fetch + r.Source("team/app:1")) // none, or that of the machine
	policy(`{"default": [{"type": "reject"}]}`)
	for _, source := range []string{r.Source("team/app:1"), "oci:layout", "oci-archive:archive", "docker-archive:archive", "dir:layout"} {
		status := 1
		if source == "dir:layout" {
			status = 3 // is no such folder
		}
		h.fails(status, fetch+source)
		h.fails(status, "cfs-fetch inspect --tls-verify=false "+source)
	}
	h.fails(1, fetch+"oci:layout", name+" rejects all images by default")
	h.fails(1, "cfs-pull --init --insecure --tls-verify=false "+r.Source("team/app:1")+" t", "rejects")
	h.must("cfs-pull --init --insecure --insecure-policy --tls-verify=false " + r.Source("team/app:1") + " t && cfs-pull --check --insecure-policy --tls-verify=false " + r.Source("team/app:1") + " t")

	policy(`{"default": [{"type": "reject"}], "transports": {"docker": {"HOST/team": [{"type": "insecureAcceptAnything"}]}, "oci": {"DIR/layout": [{"type": "insecureAcceptAnything"}]}}}`)
	h.must(fetch + r.Source("team/app:1") + " && " + fetch + "oci:layout && " + fetch + "oci:link")
	h.fails(1, fetch+r.Source("teams/app:1"), "rejects all images by default")
	h.fails(1, fetch+"oci-archive:archive", "rejects all images by default")

	policy(`{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {"HOST/team/app:1": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/key"}]}}}`)
	h.fails(1, fetch+r.Source("team/app:1"), "requires signedBy for images of docker:"+r.Addr+"/team/app:1", "--insecure-policy")
	h.must(fetch + "oci:layout")

	policy(`{"default": [{"type": "insecureAcceptAnything"}], "other": 1}`)
	h.fails(1, fetch+"oci:layout", name, `the key "other" is unknown`, "--insecure-policy")
	h.setenv("CONTAINERS_POLICY_JSON", h.write("policy", `{"default": [{"type": "insecureAcceptAnything"}]}`))
	h.must(fetch + "oci:layout")
	h.setenv("CONTAINERS_POLICY_JSON", h.dir+"/none")
	h.fails(3, fetch+"oci:layout", h.dir+"/none")
}

// TestPolicyShortName: of the registries in which a short name is looked for, those that are
// rejected are not asked.
func TestPolicyShortName(t *testing.T) {
	t.Parallel()
	r := registrytest.DebianOpen(t)
	r.Push(t, randomImage(t, 15, 500), "short:1")
	first, second := faultproxy.New(t, r.Addr), faultproxy.New(t, r.Addr)
	h := newHome(t)
	h.write("registries.conf", fmt.Sprintf("unqualified-search-registries = [%q, %q]\nshort-name-mode = \"permissive\"\n", first.Addr, second.Addr))
	h.write(".config/containers/policy.json", fmt.Sprintf(`{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {%q: [{"type": "reject"}]}}}`, first.Addr))
	h.must("cfs-fetch --tls-verify=false --spool=spool docker://short:1")
	if first.ManifestRequests() > 0 || second.ManifestRequests() == 0 {
		t.Errorf("the rejected registry was asked %d times, the other one %d times", first.ManifestRequests(), second.ManifestRequests())
	}
}
