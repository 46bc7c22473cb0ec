package cmd

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/footprint"
	"cfs/cmd/internal/trap"
)

// updated is a user who has v1 of the vectors, and is about to pull v2.
func updated(t *testing.T) (*updating, *chunkedImage) {
	t.Helper()
	behind, images := chunkedImages(t)
	u := newUpdating(t, behind)
	u.must(u.code("new-v1", ""))
	return u, images["new-v2"]
}

// wantLayer checks that v2 is stored, and that nothing is left in the spool.
func (u *updating) wantLayer(v *chunkedImage) {
	u.t.Helper()
	sum := u.must("cfs-import cat --repo=$HOME/repo " + v.DiffID + " | sha256sum | cut -d' ' -f1")
	if got := "sha256:" + strings.TrimSpace(sum); got != v.DiffID {
		u.t.Errorf("the layer has the digest %s, want %s", got, v.DiffID)
	}
	if files := u.must("find $HOME/spool/blobs -type f"); files != "" {
		u.t.Errorf("the spool has %s", files)
	}
	u.must("cfs-gc check --content --repo=$HOME/repo")
}

// ranges has a fault done to requests for a part of a blob, and to no others.
func ranges(f faultproxy.Fault) faultproxy.Fault {
	return faultproxy.Choice(func(e *faultproxy.Exchange) faultproxy.Fault {
		if e.R.Header.Get("Range") != "" {
			return f
		}
		return faultproxy.Pass
	})
}

// TestIncrementalRegistries: whatever a registry answers to who asks for a part, the layer is the right one
// in the end; and who gives no parts is asked for one once.
func TestIncrementalRegistries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault faultproxy.Fault
		whole bool // the layer is fetched whole
		most  int  // requests for the blob; 0: any
	}{
		"all of it":             {faultproxy.IgnoresRange, true, 2},
		"416":                   {ranges(faultproxy.Says(http.StatusRequestedRangeNotSatisfiable)), true, 2},
		"400":                   {ranges(faultproxy.Says(http.StatusBadRequest)), true, 2},
		"501":                   {ranges(faultproxy.Says(http.StatusNotImplemented)), true, 2},
		"another range":         {ranges(faultproxy.WrongOffset(4, false)), true, 2},
		"shifted by four bytes": {ranges(faultproxy.WrongOffset(4, true)), true, 0},
		"wrong bytes":           {ranges(faultproxy.Flips(30)), true, 0},
		"another total": {ranges(func(e *faultproxy.Exchange) {
			e.Forward(func(r *http.Response) {
				r.Header.Set("Content-Range", strings.Replace(r.Header.Get("Content-Range"), "/", "/1", 1))
			})
		}), true, 2},
		"cut inside each range": {ranges(faultproxy.Choice(func(e *faultproxy.Exchange) faultproxy.Fault {
			if e.Nth%2 == 0 {
				return faultproxy.Breaks(faultproxy.Cut, 20)
			}
			return faultproxy.Pass
		})), false, 0},
		"too many requests": {ranges(faultproxy.Times(3, faultproxy.Says(http.StatusTooManyRequests, "Retry-After", "1"))), false, 0},
		"errors now and then": {ranges(faultproxy.Choice(func(e *faultproxy.Exchange) faultproxy.Fault {
			if e.Nth%3 == 1 {
				return faultproxy.Says(http.StatusBadGateway)
			}
			return faultproxy.Pass
		})), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, v := updated(t)
			u.proxy.Blobs = faultproxy.To(v.Blob, test.fault)
			r := u.run(u.code("new-v2", ""))
			if r.Status != 0 {
				t.Fatalf("exit status %d\n%s", r.Status, r.Stderr)
			}
			if whole := !strings.Contains(r.Stdout, "proved=diff-id"); whole != test.whole || strings.Contains(r.Stderr, "fetching all of it") != whole {
				t.Errorf("fetched whole: %t, want %t\n%s", whole, test.whole, r.Stderr)
			}
			if got := u.proxy.Of(v.Blob).Requests; test.most > 0 && got > test.most {
				t.Errorf("%d requests for the layer, want at most %d", got, test.most)
			}
			u.wantLayer(v)
		})
	}
}

// TestIncrementalRedirect: where the registry sends who asks for a part is asked for the others too, without
// what is for the registry alone, until that address expires.
func TestIncrementalRedirect(t *testing.T) {
	t.Parallel()
	u, v := updated(t)
	other := faultproxy.NewElsewhere(t, incrementalVectors+"layout")
	var sent atomic.Int64
	u.proxy.Blobs = faultproxy.To(v.Blob, func(e *faultproxy.Exchange) {
		if sent.Add(1) == 2 {
			other.Refuse(1)
		}
		other.Redirect(e)
	})
	records := u.must("cfs-fetch --tls-verify=false --progress=none --spool=$HOME/spool --repo=$HOME/repo --request-cost=0 " + u.registry.Source("new-v2:1"))
	if !strings.Contains(records, "form=splitstream") {
		t.Error(records)
	}
	seen := len(other.Seen())
	if most := int64(2 + 4); sent.Load() > most || seen < 8 {
		t.Errorf("the registry was asked %d times, want at most %d; elsewhere %d requests came", sent.Load(), most, seen)
	}
	wantNoSecrets(t, other)
	u.must(u.code("new-v2", ""))
	u.wantLayer(v)
}

// TestIncrementalRedirectExpires: an address that gives nothing any more is not asked again.
func TestIncrementalRedirectExpires(t *testing.T) {
	t.Parallel()
	u, v := updated(t)
	other := faultproxy.NewElsewhere(t, incrementalVectors+"layout")
	u.proxy.Blobs = faultproxy.To(v.Blob, faultproxy.Once(func(e *faultproxy.Exchange) { other.Redirect(e) }))
	fetch := u.command("exec cfs-fetch --tls-verify=false --progress=none --spool=$HOME/spool --repo=$HOME/repo --request-cost=0 " + u.registry.Source("new-v2:1"))
	other.RefuseAfter(1)
	if r := cmdtest.Run(t, fetch); r.Status != 0 || !strings.Contains(r.Stdout, "form=splitstream") {
		t.Errorf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	if n := len(other.Seen()); n > 1+4 {
		t.Errorf("it was asked %d times", n)
	}
	u.must(u.code("new-v2", ""))
	u.wantLayer(v)
}

// TestIncrementalResumes: a pull that is killed asks for no range again that has come, but for what one
// kill can cost.
func TestIncrementalResumes(t *testing.T) {
	t.Parallel()
	u, v := updated(t)
	var want int64
	for _, s := range append(v.Least.Meta, v.Least.Ranges...) {
		want += s[1] - s[0]
	}
	fetch := "cfs-fetch --tls-verify=false --progress=none --spool=$HOME/spool --repo=$HOME/repo --request-cost=0 " + u.registry.Source("new-v2:1")
	kills := 0
	for n := int64(100); n < want; n += want / 23 {
		c := u.command("exec " + fetch)
		u.proxy.KillAfter(n-u.proxy.Of(v.Blob).Delivered, func() { c.Process.Kill() })
		r := cmdtest.Run(t, c)
		u.proxy.WaitIdle()
		u.proxy.KillAfter(0, nil)
		if r.Status == 0 {
			break
		}
		kills++
	}
	if kills < 10 {
		t.Errorf("killed %d times only", kills)
	}
	r := u.run(u.code("new-v2", ""))
	if r.Status != 0 || !strings.Contains(r.Stdout, "proved=diff-id") {
		t.Fatalf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	const atOnce, cost = 4, 64 << 10
	if got, most := u.proxy.Of(v.Blob).Delivered, want+int64(kills)*atOnce*cost; got > most {
		t.Errorf("%d bytes came, want %d at most after %d kills", got, most, kills)
	}
	u.wantLayer(v)
}

// TestIncrementalAssemblyStays: what was put together is used by the next run, and made anew if it is damaged.
func TestIncrementalAssemblyStays(t *testing.T) {
	t.Parallel()
	u, v := updated(t)
	fetch := "cfs-fetch --tls-verify=false --progress=none --spool=$HOME/spool --repo=$HOME/repo --request-cost=0 " + u.registry.Source("new-v2:1")
	u.must(fetch + " >/dev/null")
	before := u.proxy.Of(v.Blob).Requests
	records := u.must(fetch)
	if got := u.proxy.Of(v.Blob).Requests; got != before {
		t.Errorf("the layer is asked for %d times again", got-before)
	}
	path := parseRecord(t, firstLine(records)).Get("path")
	if !strings.HasSuffix(path, ".parts") {
		t.Fatalf("records %s", records)
	}
	if got := u.must("cfs-import cat --repo=$HOME/repo " + path + " | sha256sum | cut -d' ' -f1"); "sha256:"+strings.TrimSpace(got) != v.DiffID {
		t.Errorf("the assembly has the digest %s", got)
	}
	if got := u.must("cfs-import show --repo=$HOME/repo " + path); !strings.HasPrefix(got, "stream -\ntype ocilayer\n") || !strings.Contains(got, "\nobject ") {
		t.Errorf("it is shown as\n%s", got)
	}
	listed := u.must("cfs-import ls --repo=$HOME/repo " + path)
	// One that is damaged is put together again.
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 10, len(data) / 2, len(data) - 1} {
		cut := data[:n]
		if err := os.WriteFile(path, cut, 0o644); err != nil {
			t.Fatal(err)
		}
		u.must(fetch + " >/dev/null")
	}
	u.must(u.code("new-v2", ""))
	u.wantLayer(v)
	if want := u.must("cfs-import ls --repo=$HOME/repo " + v.DiffID); listed != want {
		t.Errorf("its members are\n%s\nwant\n%s", listed, want)
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line + "\n"
}

// TestIncrementalCollected: an object that is collected between the stages is no success, and the next run
// ends well.
func TestIncrementalCollected(t *testing.T) {
	t.Parallel()
	u, v := updated(t)
	fetch := "cfs-fetch --tls-verify=false --progress=none --spool=$HOME/spool --repo=$HOME/repo --request-cost=0 " + u.registry.Source("new-v2:1")
	u.must(fetch + " >$HOME/records")
	u.must("cfs-link untag new-v1 --repo=$HOME/repo; cfs-gc --allow-empty --repo=$HOME/repo")
	u.fails(75, "cfs-import --repo=$HOME/repo <$HOME/records", "garbage-collected")
	u.must(u.code("new-v2", ""))
	u.wantLayer(v)
}

// TestIncrementalDamaged: a file whose object is damaged is fetched.
func TestIncrementalDamaged(t *testing.T) {
	t.Parallel()
	u, _ := updated(t)
	// The largest object of v1 is the content of a file that v2 has too.
	big := strings.TrimSpace(u.must("find $HOME/repo/objects -type f -size -300k -printf '%s %p\\n' | sort -n | tail -3 | head -1 | cut -d' ' -f2"))
	data, err := os.ReadFile(big)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Chmod(big, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(big, data, 0o644); err != nil {
		t.Fatal(err)
	}
	r := u.run(u.code("new-v2", ""))
	if r.Status != 0 || !strings.Contains(r.Stdout, "proved=diff-id") {
		t.Fatalf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
}

// TestIncrementalTogether: two pulls of one layer at once both end well.
func TestIncrementalTogether(t *testing.T) {
	t.Parallel()
	u, v := updated(t)
	code := u.code("new-v2", "")
	u.must(fmt.Sprintf("%s & a=$!; %s-b; b=$?; wait $a && exit $b", code, code))
	u.wantLayer(v)
}

// TestIncrementalPlan: what --plan says is what a pull does then, byte for byte, also when parts are there.
func TestIncrementalPlan(t *testing.T) {
	t.Parallel()
	u, v := updated(t)
	options := "--tls-verify=false --progress=none --spool=$HOME/spool --repo=$HOME/repo --request-cost=0 " + u.registry.Source("new-v2:1")
	plan := func() (fetch int64) {
		t.Helper()
		before := u.must("find $HOME/spool -printf '%p %s %T@\\n' | sort")
		line := firstLine(u.must("cfs-fetch --plan " + options))
		if after := u.must("find $HOME/spool -printf '%p %s %T@\\n' | sort"); after != before {
			t.Errorf("the plan has changed the spool:\n%s\nwas\n%s", after, before)
		}
		var size, have, local int64
		var digest string
		var requests int
		if _, err := fmt.Sscanf(line, "layer %s size=%d have=%d where=parts fetch=%d requests=%d local=%d", &digest, &size, &have, &fetch, &requests, &local); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		return fetch
	}
	pulls := func(want int64, code string) {
		t.Helper()
		before := u.proxy.Of(v.Blob).Delivered
		u.must(code)
		if got := u.proxy.Of(v.Blob).Delivered - before; got != want {
			t.Errorf("%d bytes came, planned were %d", got, want)
		}
	}
	u.killedFetch(20_000, "cfs-fetch "+options)
	pulls(plan(), "cfs-fetch "+options)
	if got := plan(); got != 0 {
		t.Errorf("%d bytes are planned of what is put together", got)
	}
	pulls(0, u.code("new-v2", ""))
	u.wantLayer(v)
}

// killedFetch kills a command when so many bytes of blobs have come.
func (u *updating) killedFetch(n int64, code string) {
	u.t.Helper()
	c := u.command("exec " + code)
	u.proxy.KillAfter(n, func() { c.Process.Kill() })
	cmdtest.Run(u.t, c)
	u.proxy.WaitIdle()
	u.proxy.KillAfter(0, nil)
}

// TestIncrementalModes: parts are only tried where they may be: not of images of another registry, not
// with --incremental never or --keep-spool.
func TestIncrementalModes(t *testing.T) {
	t.Parallel()
	behind, images := chunkedImages(t)
	v := images["new-v2"]
	for options, want := range map[string]bool{"": true, "--incremental=never": false, "--incremental never": false, "--keep-spool": false, "--incremental any": true} {
		u := newUpdating(t, behind)
		u.must(u.code("new-v1", ""))
		r := u.run(u.code("new-v2", options))
		if got := strings.Contains(r.Stdout, "proved=diff-id"); r.Status != 0 || got != want {
			t.Errorf("%q: exit status %d, by parts: %t, want %t\n%s", options, r.Status, got, want, r.Stderr)
		}
	}
	// v1 came from a layout: nothing may be told of it, unless any is.
	for options, want := range map[string]bool{"": false, "--incremental=any": true} {
		u := newUpdating(t, behind)
		layout, err := filepath.Abs(incrementalVectors + "layout")
		if err != nil {
			t.Fatal(err)
		}
		u.must("cfs-pull --progress=none --repo=$HOME/repo oci:" + layout + ":new-v1 new-v1")
		r := u.run(u.code("new-v2", options))
		if got := strings.Contains(r.Stdout, "proved=diff-id"); r.Status != 0 || got != want {
			t.Errorf("from a layout, %q: exit status %d, by parts: %t, want %t\n%s", options, r.Status, got, want, r.Stderr)
		}
		if requests := u.proxy.Of(v.Blob).Requests; !want && requests != 1 {
			t.Errorf("%d requests", requests)
		}
	}
	u := newUpdating(t, behind)
	u.fails(2, u.code("new-v2", "--incremental=some"), "auto, any or never")
	u.fails(2, u.code("new-v2", "--request-cost=-1"), "not a negative one")
}

// TestIncrementalBombs: forged layers make cfs-fetch use no more than 256 MB.
func TestIncrementalBombs(t *testing.T) {
	t.Parallel()
	behind, images := chunkedImages(t)
	u := newUpdating(t, behind)
	u.must(u.code("new-v1", ""))
	for name := range images {
		if !strings.HasPrefix(name, "hostile-") {
			continue
		}
		r, kib := footprint.Run(t, "cfs-fetch --tls-verify=false --progress=none --spool=$HOME/spool --repo=$HOME/repo --request-cost=0 "+u.registry.Source(name+":1"), u.env)
		if kib > 256<<10 {
			t.Errorf("%s: cfs-fetch has used %d KiB (exit status %d)", name, kib, r.Status)
		}
	}
}

// TestIncrementalReference: cfsctl accepts a repository in which layers were put together, of either algorithm.
func TestIncrementalReference(t *testing.T) {
	cfsctl, err := exec.LookPath("cfsctl")
	if err != nil {
		t.Skipf("SKIPPED: no cfsctl: %v", err)
	}
	t.Parallel()
	behind, images := chunkedImages(t)
	for name, algorithm := range map[string]string{
		"new-v2": "fsverity-sha256-12", "old-v2": "fsverity-sha512-12", "hostile-frame-unseen": "fsverity-sha512-12", "new-dot-v2": "fsverity-sha256-12",
	} {
		u := newUpdating(t, behind)
		u.must("rm -r $HOME/repo")
		u.must(u.code("new-v1", "--init --insecure --algorithm="+algorithm))
		if r := u.run(u.code(name, "--init --insecure --algorithm="+algorithm)); r.Status != 0 || !strings.Contains(r.Stdout, "proved=diff-id") {
			t.Errorf("%s: exit status %d\n%s%s", name, r.Status, r.Stdout, r.Stderr)
		}
		u.must(cfsctl + " --insecure --repo $HOME/repo fsck && " + cfsctl + " --insecure --repo $HOME/repo oci fsck")
		u.wantLayer(images[name])
	}
}

// TestIncrementalFull: on a full disk nothing is named, and the next run ends well.
func TestIncrementalFull(t *testing.T) {
	t.Parallel()
	u, v := updated(t)
	for n := range 12 {
		// A limit on the size of files stands for a full disk.
		r := u.run(fmt.Sprintf("trap '' XFSZ; ulimit -f %d; cfs-fetch --tls-verify=false --progress=none --spool=$HOME/spool --repo=$HOME/repo --request-cost=0 %s", n*8, u.registry.Source("new-v2:1")))
		if r.Status == 0 && !strings.Contains(r.Stdout, "form=splitstream") {
			t.Errorf("with %d KiB: %s%s", n*4, r.Stdout, r.Stderr)
		}
		if r.Status != 0 && strings.Contains(r.Stdout, "layer ") {
			t.Errorf("with %d KiB: exit status %d, and %s", n*4, r.Status, r.Stdout)
		}
	}
	u.must(u.code("new-v2", ""))
	u.wantLayer(v)
}

// TestIncrementalMirror: what is wrong of the contents that a mirror gives comes from the registry.
func TestIncrementalMirror(t *testing.T) {
	t.Parallel()
	behind, images := chunkedImages(t)
	v := images["new-v2"]
	u := newUpdating(t, behind)
	mirror := faultproxy.New(t, behind.Addr)
	u.write("registries.conf", fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n[[registry.mirror]]\nlocation = %q\ninsecure = true\n", u.proxy.Addr, mirror.Addr))
	u.must(u.code("new-v1", ""))
	mirror.Blobs = faultproxy.To(v.Blob, faultproxy.Then(faultproxy.Pass, faultproxy.Flips(20))) // all but the table of contents
	r := u.run(u.code("new-v2", ""))
	if r.Status != 0 || !strings.Contains(r.Stdout, "proved=diff-id") {
		t.Errorf("exit status %d\n%s%s", r.Status, r.Stdout, r.Stderr)
	}
	if n := u.proxy.Of(v.Blob).Requests; n == 0 {
		t.Error("the registry was not asked")
	}
	u.wantLayer(v)
}

// TestIncrementalKillAtEachCall kills an incremental pull before a call by which cfs-fetch or cfs-import changes
// something, each of them in a long test. The same command ends well.
func TestIncrementalKillAtEachCall(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	behind, images := chunkedImages(t)
	v := images["new-v2"]
	for _, tool := range []string{"cfs-fetch", "cfs-import"} {
		such := trap.Of(tool)
		start := func(t *testing.T) (u *updating, repo, code string) {
			u = newUpdating(t, behind)
			u.must(u.code("new-v1", ""))
			return u, u.dir + "/repo", strings.ReplaceAll(u.code("new-v2", ""), "$HOME", u.dir)
		}
		u, repo, code := start(t)
		calls := 0
		if r := trapped(t, repo, code, trap.Only(such, func(trap.Call) error { calls++; return nil })); r.Status != 0 || calls < 10 {
			t.Fatalf("exit status %d, %d calls\n%s", r.Status, calls, r.Stderr)
		}
		u.wantLayer(v)
		for _, n := range cmdtest.Sample(calls, 6) {
			t.Run(fmt.Sprintf("%s/%d", tool, n), func(t *testing.T) {
				t.Parallel()
				u, repo, code := start(t)
				trapped(t, repo, code, trap.Only(such, trap.Nth(n, trap.Kill)))
				u.must(u.code("new-v2", ""))
				u.wantLayer(v)
			})
		}
	}
}
