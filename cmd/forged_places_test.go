package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cfs/cmd/cmdtest"
)

// forgedTypes are what somebody may have put in the place of a file or folder, as shell
// code for its path. Outside is a folder that nobody may write to.
var forgedTypes = []struct{ name, code string }{
	{"link to a folder", "ln -s $DIR/outside $place"},
	{"link to a file", "ln -s /etc/passwd $place"},
	{"link to itself", "ln -s $(basename $place) $place"},
	{"FIFO", "mkfifo $place"},
	{"file", "echo x >$place"},
	{"folder", "mkdir $place"},
	{"device", "mknod $place c 1 5"},
	{"folder that nobody may read", "mkdir -m 0 $place"},
}

// forgedPlaces are the places in a repository.
var forgedPlaces = []string{
	"meta.json", "objects", "objects/$(ls objects | head -1)", "streams", "streams/refs", "streams/refs/oci", "streams/refs/oci/a", "streams/refs/cfs-lease",
	"streams/$(ls streams | grep oci-layer | head -1)", "streams/$(ls streams | grep oci-config | head -1)", "streams/$(ls streams | grep oci-manifest | head -1)",
	"images", "images/refs", "images/$(ls images | grep -v refs | head -1)", "cfs",
}

// TestForgedPlaces puts something else in each place of a repository and runs the tools.
// They end soon, do not crash, and write nothing outside of the repository.
func TestForgedPlaces(t *testing.T) {
	cmdtest.Slow(t)
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can make devices")
	}
	t.Parallel()
	s := newStand(t)
	s.addImage("c", 7)
	commands := []string{s.pulls["c"], "cfs-link ls", "cfs-mkerofs dump a", "cfs-gc check --content", "cfs-gc", "cfs-link tag b new", "cfs-gc check --repair", s.pulls["a"]}
	total, tried := len(forgedPlaces)*len(forgedTypes), 0
	for _, n := range cmdtest.Sample(total, 14) {
		place, how := forgedPlaces[(n-1)%len(forgedPlaces)], forgedTypes[(n-1)/len(forgedPlaces)]
		dir := filepath.Dir(s.copy())
		code := "cd $DIR/repo && mkdir $DIR/outside && place=$PWD/" + place + " && rm -rf $place && " + how.code
		c := exec.Command("sh", "-c", code)
		c.Env = append(environ(t, dir+"/repo"), "DIR="+dir)
		if r := cmdtest.Run(t, c); r.Status != 0 {
			t.Fatalf("%s: %s", code, r.Stderr)
		}
		for _, command := range commands {
			tried++
			r := shell(t, dir+"/repo", "timeout -s KILL 60 sh -c "+cmdtest.Quote(command))
			if r.Status < 0 || r.Status > 5 && r.Status != 75 || r.Status != 0 && r.Stdout+r.Stderr == "" || strings.Contains(r.Stderr, "goroutine ") {
				t.Errorf("%s is a %s: %s: exit status %d\n%s", place, how.name, command, r.Status, r.Stderr)
			}
		}
		if left, err := os.ReadDir(dir + "/outside"); err != nil || len(left) > 0 {
			t.Errorf("%s is a %s: outside there is %v, %v", place, how.name, left, err)
		}
		os.RemoveAll(dir)
	}
	t.Logf("%d commands tried in forged repositories, failed: %v", tried, t.Failed())
}

// forgedLayouts change a layout so that it lies, as shell code in its folder. Layers are
// the blobs that are no JSON. A size is no promise where it is negative: the digest is.
var forgedLayouts = []struct{ name, code string }{
	{"other bytes in a layer", "echo x >>$layer"},
	{"a layer cut off", "truncate -s 100 $layer"},
	{"an empty layer", ": >$layer"},
	{"no layer", "rm $layer"},
	{"the layer of another", "cat $manifest >$layer"},
	{"a layer that is a FIFO", "rm $layer && mkfifo $layer"},
	{"a layer that is a folder", "rm $layer && mkdir $layer"},
	{"a layer that is a link out", "rm $layer && ln -s /etc/passwd $layer"},
	{"a layer without end", "rm $layer && ln -s /dev/zero $layer"},
	{"other bytes in the manifest", "sed -i 's/sha256:./sha256:0/' $manifest"},
	{"an empty manifest", ": >$manifest"},
	{"a digest that is a path", `sed -i 's|"digest":"sha256:[^"]*"|"digest":"sha256:../../../etc/passwd"|' index.json`},
	{"a digest of zeros", `sed -i 's|"digest":"sha256:[^"]*"|"digest":"sha256:` + strings.Repeat("0", 64) + `"|' index.json`},
	{"a wrong size", `sed -i 's|"size":|"size":1|' index.json`},
	{"an index that is none", "echo '[]' >index.json"},
	{"an empty index", ": >index.json"},
	{"an index that is a FIFO", "rm index.json && mkfifo index.json"},
	{"a head that is a FIFO", "rm oci-layout && mkfifo oci-layout"},
	{"deep JSON", `{ yes [ | head -n 1000000; } | tr -d '\n' >index.json`},
	{"large JSON", `{ printf '{"x":"'; head -c 20000000 /dev/zero | tr '\0' a; printf '"}'; } >index.json`},
}

// TestForgedLayouts: an image in a layout that lies is refused, and nothing of it is linked.
func TestForgedLayouts(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	s := newStand(t)
	s.addImage("c", 7)
	layout := strings.TrimPrefix(strings.Fields(s.pulls["c"])[5], "oci:")
	tried := 0
	for _, f := range forgedLayouts {
		dir, repo := t.TempDir()+"/layout", s.copy()
		script := fmt.Sprintf(`cp -a %s %s && cd %s && manifest=blobs/sha256/$(sed 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' index.json) &&
			layer=blobs/sha256/$(sed 's/.*"layers":.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' $manifest) && %s`, layout, dir, dir, f.code)
		must(t, "", script)
		tried++
		r := shell(t, repo, "timeout -s KILL 60 sh -c "+cmdtest.Quote(strings.Replace(s.pulls["c"], layout, dir, 1)))
		if r.Status <= 0 || r.Status > 5 && r.Status != 75 || r.Stderr == "" || strings.Contains(r.Stderr, "goroutine ") {
			t.Errorf("%s: exit status %d\n%s", f.name, r.Status, r.Stderr)
		}
		if r := shell(t, repo, "cfs-link show c"); r.Status != 3 {
			t.Errorf("%s: it is tagged: exit status %d", f.name, r.Status)
		}
		must(t, repo, "cfs-gc check --content && cfs-gc --keep 0 && cfs-link show a && cfs-link show b")
		os.RemoveAll(filepath.Dir(repo))
	}
	t.Logf("%d layouts tried, failed: %v", tried, t.Failed())
}
