package tool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"cfs/lib/corrupt"
	"cfs/lib/record"
)

// steps is a stage that says in order what it is asked to do.
type steps struct {
	did  []string
	fail map[string]error // what a step returns
}

func (s *steps) step(name string) error {
	s.did = append(s.did, name)
	return s.fail[name]
}

func (s *steps) stage(out *record.Writer) Stage {
	return Stage{
		Start:  func() error { return s.step("start") },
		Handle: func(r record.Record) error { return errors.Join(s.step(r.Kind), out.Write(r)) },
		Finish: func() error { return s.step("finish") },
	}
}

// TestStage: records are handled in order, between start and finish, and the first error
// ends it; an earlier stage's failure is handed on without a word, whatever comes behind it.
func TestStage(t *testing.T) {
	bad := corrupt.Errorf("bad")
	for _, v := range []struct {
		name, in  string
		fail      map[string]error
		did, out  string
		status    int
		errPrefix string
	}{
		{"nothing", "", nil, "[start finish]", "", 0, ""},
		{"records", "a -\nb - x=y\n", nil, "[start a b finish]", "a -\nb - x=y\n", 0, ""},
		{"comments", "# comment\n\na -\n", nil, "[start a finish]", "a -\n", 0, ""},
		{"json", `{"v":2,"kind":"a","digest":"-","x":"y"}` + "\n", nil, "[start a finish]", "a - x=y\n", 0, ""},
		{"start fails", "a -\n", map[string]error{"start": bad}, "[start]", failed + "4\n", 4, "bad"},
		{"a record fails", "a -\nb -\n", map[string]error{"a": bad}, "[start a]", "a -\n" + failed + "4\n", 4, "bad"},
		{"finish fails", "a -\n", map[string]error{"finish": bad}, "[start a finish]", "a -\n" + failed + "4\n", 4, "bad"},
		{"an earlier stage failed", "a -\nfailed - tool=x status=75\nb -\n", nil, "[start a]", "a -\nfailed - tool=x status=75\n", 75, "status 75"},
		{"it does not say how", "failed -\n", nil, "[start]", "failed -\n", 1, "status 1"},
		{"it says nonsense", "failed - status=x\n", nil, "[start]", "failed - status=x\n", 1, "status 1"},
		{"it says 0", "failed - status=0\n", nil, "[start]", "failed - status=0\n", 1, "status 1"},
		{"it says too much", "failed - status=256\n", nil, "[start]", "failed - status=256\n", 1, "status 1"},
		{"garbage", "a -\n\x00\nb -\n", nil, "[start a]", "a -\n" + failed + "1\n", 1, `stdin: line 2: record "\x00"`},
		{"cut off", "a -\nb", nil, "[start a]", "a -\n" + failed + "1\n", 1, "stdin: record on line 2 is cut off"},
		{"too long", "a - x=" + strings.Repeat("y", record.MaxLine) + "\n", nil, "[start]", failed + "1\n", 1, "stdin: record on line 1 is longer than"},
	} {
		t.Run(v.name, func(t *testing.T) {
			var buffer bytes.Buffer
			o, out, s := &Options{Tool: "cfs-test"}, &record.Writer{Out: &buffer}, &steps{fail: v.fail}
			err := o.Fail(out, s.stage(out).run(strings.NewReader(v.in), out))
			if Status(err) != v.status || err != nil && !strings.HasPrefix(err.Error(), v.errPrefix) {
				t.Errorf("error %v, status %d", err, Status(err))
			}
			if fmt.Sprint(s.did) != v.did || buffer.String() != v.out {
				t.Errorf("did %v, wrote\n%swant %s\n%s", s.did, buffer.String(), v.did, v.out)
			}
		})
	}
}

// TestStageWithout: start and finish may be left out.
func TestStageWithout(t *testing.T) {
	var buffer bytes.Buffer
	out := &record.Writer{Out: &buffer}
	if err := (Stage{Handle: out.Write}).run(strings.NewReader("a -\n"), out); err != nil || buffer.String() != "a -\n" {
		t.Errorf("%v, %q", err, buffer.String())
	}
}

// TestBrokenPipes: of stdin, and of stdout while the failure is to be written.
func TestBrokenPipes(t *testing.T) {
	broken := errors.New("broken")
	var buffer bytes.Buffer
	out := &record.Writer{Out: &buffer}
	if err := (Stage{Handle: out.Write}).run(iotest.ErrReader(broken), out); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "stdin: ") {
		t.Errorf("stdin: %v", err)
	}
	_, w := io.Pipe()
	w.CloseWithError(broken)
	out = &record.Writer{Out: w}
	bad := corrupt.Errorf("bad")
	if err := new(Options).Fail(out, bad); !errors.Is(err, bad) || err == bad || Status(err) != Corrupt {
		t.Errorf("the failure cannot be written: %v", err)
	}
	handOn := Stage{Handle: out.Write}.run(strings.NewReader("failed - status=75\n"), &record.Writer{Out: w})
	if handOn == nil || Status(handOn) != Failed {
		t.Errorf("a failure cannot be handed on: %v", handOn)
	}
}

// TestFail: nothing is written about no error, and about one that was handed on.
func TestFail(t *testing.T) {
	for _, v := range []struct {
		err  error
		json bool
		want string
	}{
		{nil, false, ""}, {Silent(7), false, ""},
		{errors.New("x"), false, failed + "1\n"}, {UsageError("x"), false, failed + "2\n"}, {Hint(corrupt.Errorf("x"), "y"), false, failed + "4\n"},
		{errors.New("x"), true, `{"v":2,"kind":"failed","digest":"-","tool":"cfs-test","status":1}` + "\n"},
	} {
		var buffer bytes.Buffer
		err := (&Options{Tool: "cfs-test"}).Fail(&record.Writer{Out: &buffer, JSON: v.json}, v.err)
		if Status(err) != Status(v.err) || buffer.String() != v.want {
			t.Errorf("%v: %v, wrote %q", v.err, err, buffer.String())
		}
	}
}

// TestFilter: on stdin and stdout themselves.
func TestFilter(t *testing.T) {
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	old := os.Stdin
	defer func() { os.Stdin = old }()
	os.Stdin = in
	o := &Options{Tool: "cfs-test", JSON: true}
	out := captured(t, &os.Stdout, func() {
		err = o.Filter(o.Records(), Stage{Handle: func(record.Record) error { return nil }, Finish: func() error { return errors.New("no manifest") }})
	})
	if Status(err) != Failed || out != `{"v":2,"kind":"failed","digest":"-","tool":"cfs-test","status":1}`+"\n" {
		t.Errorf("%v, %q", err, out)
	}
}
