// Package examples tests the Makefile: that it builds what has changed, and nothing else.
package examples

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
)

func TestMain(m *testing.M) { cmdtest.Main(m) }

// yard is a folder with inputs for the Makefile.
type yard struct {
	t   *testing.T
	dir string
}

func newYard(t *testing.T) *yard {
	t.Helper()
	for _, program := range []string{"make", "tar", "find", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT TESTED: the Makefile needs %s: %v", program, err)
		}
	}
	return &yard{t, cmdtest.Scratch(t)}
}

// run runs shell code in the yard and returns what it prints.
func (y *yard) run(code string) string {
	y.t.Helper()
	return cmdtest.Must(y.t, y.dir, "set -e; "+code, "MAKEFLAGS=")
}

// make runs the Makefile, several jobs at once.
func (y *yard) make() {
	y.t.Helper()
	makefile, err := filepath.Abs("Makefile")
	if err != nil {
		y.t.Fatal(err)
	}
	y.run("make -j4 -f '" + makefile + "'")
}

// outputs returns what is known of each file that was made, but those of the repository.
func (y *yard) outputs() map[string]string {
	y.t.Helper()
	list := make(map[string]string)
	out := filepath.Join(y.dir, "out")
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == "repo" {
				return fs.SkipDir
			}
			return err
		}
		st, err := d.Info()
		if err == nil {
			list[strings.TrimPrefix(path, out+"/")] = fmt.Sprint(st.ModTime().UnixNano(), st.Size(), st.Mode())
		}
		return err
	})
	if err != nil {
		y.t.Fatal(err)
	}
	return list
}

// newer gives an input a time after that of all outputs.
func (y *yard) newer(input string) {
	y.t.Helper()
	var last time.Time
	for name := range y.outputs() {
		st, err := os.Stat(filepath.Join(y.dir, "out", name))
		if err != nil {
			y.t.Fatal(err)
		}
		if st.ModTime().After(last) {
			last = st.ModTime()
		}
	}
	last = last.Add(time.Nanosecond)
	if err := os.Chtimes(filepath.Join(y.dir, input), last, last); err != nil {
		y.t.Fatal(err)
	}
}

// remakes runs the Makefile, and wants just these outputs to be other files then.
func (y *yard) remakes(want ...string) {
	y.t.Helper()
	before := y.outputs()
	y.make()
	after := y.outputs()
	var got []string
	for name, is := range after {
		if before[name] != is {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		y.t.Errorf("made again: %q, want %q", got, want)
	}
	again := y.outputs()
	y.make()
	for name, is := range y.outputs() {
		if again[name] != is {
			y.t.Errorf("%s is made again by a second run", name)
		}
	}
}

const inputs = `
mkdir -p dumps trees/one/usr/bin trees/two/usr layers/web layers/db content/usr
printf '%s\n' '/ 0 40755 2 0 0 0 5.0 - - -' '/f 3 100644 1 0 0 0 5.0 - one -' >dumps/small.dump
printf '%s\n' '/ 0 40755 2 0 0 0 5.0 - - -' '/f 3 100644 1 0 0 0 5.0 - two -' >dumps/other.dump
echo program >trees/one/usr/bin/program
echo two >trees/two/usr/file
head -c 5000 /dev/zero >content/usr/file
tar cf layers/db/1-base.tar -C content .
cp layers/db/1-base.tar layers/web/1-base.tar
echo web >content/usr/web
tar czf layers/web/2-app.tar.gz -C content .
`

func TestMakefile(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.run(inputs)
	names := []string{"small", "other", "one", "two", "web", "db"}
	var all []string
	y.make()
	for _, name := range names {
		all = append(all, name+".digest", name+".erofs")
	}
	made := y.outputs()
	for _, name := range all {
		if made[name] == "" {
			t.Errorf("%s was not made", name)
		}
	}
	y.remakes() // nothing

	// The images are what they should be.
	y.run("cfs-mkerofs diff out/small.erofs dumps/small.dump; cfs-mkerofs diff out/other.erofs dumps/other.dump")
	for _, c := range []struct{ image, with string }{
		{"small", "--dumpfile dumps/small.dump"}, {"one", "--tree trees/one"}, {"web", "--repo out/repo --oci web"},
	} {
		if got, want := y.run("cat out/"+c.image+".digest"), y.run("cfs-mkerofs "+c.with); got != want {
			t.Errorf("%s: the digest is %q, want %q", c.image, got, want)
		}
	}
	if list := y.run("cfs-mkerofs ls out/web.erofs"); !strings.Contains(list, "/usr/web\n") || !strings.Contains(list, "/usr/file\n") {
		t.Errorf("web holds %q", list)
	}
}

func TestMakefileDumpfiles(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.run(inputs)
	y.make()
	y.newer("dumps/small.dump") // the same in a new file: the image is looked at and stays
	y.remakes("small.digest")
	y.run("sed -i s/one/ONE/ dumps/small.dump")
	y.newer("dumps/small.dump")
	y.remakes("small.digest", "small.erofs")
	y.run("rm out/other.erofs")
	y.remakes("other.digest", "other.erofs")
	y.run("sed s/one/new/ dumps/small.dump >dumps/new.dump")
	y.remakes("new.digest", "new.erofs")
}

func TestMakefileTrees(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.run(inputs)
	y.make()
	y.run("touch trees/two/usr/file") // nor is it the same image
	y.remakes("two.digest", "two.erofs")
	y.run("chmod 700 trees/one/usr/bin/program")
	y.remakes("one.digest", "one.erofs")
	y.run("echo changed >trees/one/usr/bin/program; touch -d 2001-01-01 trees/one/usr/bin/program")
	y.remakes("one.digest", "one.erofs")
	y.run("rm trees/one/usr/bin/program")
	y.remakes("one.digest", "one.erofs")
	y.run("chmod 755 trees/one/usr/bin") // as it is
	y.remakes("one.digest")
}

func TestMakefileLayers(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.run(inputs)
	y.make()
	y.newer("layers/web/2-app.tar.gz") // the same layer: nothing but the image of web is looked at
	y.remakes("layers/web/2-app.tar.gz.layer", "web.digest")
	y.run("echo more >content/usr/more; tar cf layers/db/1-base.tar -C content .")
	y.newer("layers/db/1-base.tar")
	y.remakes("layers/db/1-base.tar.layer", "db.digest", "db.erofs")
	y.run("cp layers/db/1-base.tar layers/web/3-more.tar")
	y.newer("layers/web")
	y.remakes("layers/web/3-more.tar.layer", "web.digest", "web.erofs")
	y.run("rm layers/web/3-more.tar")
	y.newer("layers/web")
	y.remakes("web.digest", "web.erofs")
}

// A failure leaves no digest and no image, and does not keep the others from being made.
func TestMakefileFailure(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.run(inputs)
	y.run("echo broken >dumps/broken.dump")
	makefile, err := filepath.Abs("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	y.run("! make -k -j4 -f '" + makefile + "'")
	made := y.outputs()
	if made["broken.digest"] != "" || made["broken.erofs"] != "" || made["web.digest"] == "" || made["small.digest"] == "" {
		t.Errorf("there are %v", made)
	}
}
