package pull

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/lib/flock"
	"cfs/lib/internal/repotest"
	"cfs/lib/progress"
	"cfs/lib/record"
	"cfs/lib/repo"
	"cfs/lib/spool"
	"cfs/lib/verity"
)

// stage is a stage of the pipe as a command runs it.
type stage interface {
	Handle(record.Record) error
	Close() error
}

// run runs a stage over lines to its end, and returns those that it has written.
func run(t *testing.T, s stage, finish func() error, out *bytes.Buffer, lines ...string) ([]string, error) {
	t.Helper()
	defer s.Close()
	err := feed(t, s, lines...)
	if err == nil {
		err = finish()
	}
	return slices.Collect(strings.Lines(out.String())), err
}

// feed gives lines to a stage.
func feed(t *testing.T, s stage, lines ...string) error {
	t.Helper()
	for _, line := range lines {
		rec, err := record.Parse(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Handle(rec); err != nil {
			return err
		}
	}
	return nil
}

// opener opens the repository once more, as each stage does.
func opener(r *repo.Repo) func() (*repo.Repo, error) {
	return func() (*repo.Repo, error) { return repo.Open(r.Path, flock.Lock{}) }
}

// importing runs an Importer over lines.
func importing(t *testing.T, r *repo.Repo, lines ...string) ([]string, error) {
	t.Helper()
	var out bytes.Buffer
	i := newImporter(t, r, &out)
	return run(t, i, i.Finish, &out, lines...)
}

// newImporter returns an Importer that has started.
func newImporter(t *testing.T, r *repo.Repo, out io.Writer) *Importer {
	t.Helper()
	i := &Importer{Open: opener(r), Out: &record.Writer{Out: out}, Jobs: 3, Progress: &progress.Printer{Mode: progress.None}}
	if err := i.Start(); err != nil {
		t.Fatal(err)
	}
	return i
}

// linking runs a Linker over lines, which tags an image with its source.
func linking(t *testing.T, r *repo.Repo, lines ...string) ([]string, error) {
	t.Helper()
	var out bytes.Buffer
	_, got, err := finished(t, newLinker(r, &out), &out, lines...)
	return got, err
}

// finished is run for a Linker; it returns the status of what is missing, too.
func finished(t *testing.T, l *Linker, out *bytes.Buffer, lines ...string) (partial int, got []string, err error) {
	t.Helper()
	finish := func() (err error) {
		partial, err = l.Finish()
		return err
	}
	got, err = run(t, l, finish, out, lines...)
	return partial, got, err
}

func newLinker(r *repo.Repo, out io.Writer) *Linker {
	name := func(m Manifest) (string, error) { return m.Source, nil }
	return &Linker{Open: opener(r), Name: name, Out: &record.Writer{Out: out}}
}

// a repository for a test.
func newRepo(t *testing.T) *repo.Repo { return repotest.New(t, verity.SHA256) }

// file writes a file of a test.
func file(t *testing.T, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// toSpool puts a blob into the spool in dir.
func toSpool(t *testing.T, dir string, content []byte) (path string) {
	t.Helper()
	s, err := spool.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	d := v1.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	open := func(context.Context, v1.Descriptor, int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}
	if path, err = s.Fetch(t.Context(), d, open, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// wantLines compares what a stage has written.
func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i, line := range got {
		got[i] = strings.TrimSuffix(line, "\n")
	}
	repotest.WantLines(t, got, want...)
}

// wantError checks that an error says something.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}
