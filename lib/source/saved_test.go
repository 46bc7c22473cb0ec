package source

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"cfs/lib/manifest"
)

// TestChoose: an image of an archive is found by its name in short and in full form, on
// either side, and what several have is not guessed.
func TestChoose(t *testing.T) {
	list := []manifest.Saved{
		{Config: "short", RepoTags: []string{"app:1", "app:latest"}},
		{Config: "full", RepoTags: []string{"docker.io/library/other:1"}},
		{Config: "host", RepoTags: []string{"example.com:5000/x/tool:latest"}},
		{Config: "local", RepoTags: []string{"localhost/mine:2"}},
		{Config: "untagged"},
		{Config: "one", RepoTags: []string{"one.example/twice:1"}},
		{Config: "two", RepoTags: []string{"two.example/twice:1", "two.example/UPPER:1"}},
		{Config: "same", RepoTags: []string{"one.example/same:1"}},
		{Config: "same", RepoTags: []string{"two.example/same:1"}},
	}
	for ref, want := range map[string]string{
		"app:1": "short", "app": "short", "docker.io/library/app:1": "short", "library/app:1": "short", "docker.io/app:1": "short",
		"index.docker.io/library/app": "short", "other:1": "full", "library/other:1": "full", "docker.io/library/other:1": "full",
		"example.com:5000/x/tool": "host", "x/tool": "host", "tool:latest": "host", "localhost/mine:2": "local", "mine:2": "local",
		"@4": "untagged", "@0": "short", "one.example/twice:1": "one", "two.example/twice:1": "two", "two.example/UPPER:1": "two", "same:1": "same",
	} {
		if got, err := choose(list, ref); err != nil || got.Config != want {
			t.Errorf("%s: %q, %v; want %s", ref, got.Config, err, want)
		}
	}
	for _, ref := range []string{"app:2", "other", "registry.example.com/app:1", "docker.io/x/app:1", "localhost/app:1", "@9", "@-1", "pp:1", "mine"} {
		if got, err := choose(list, ref); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "app:1, app:latest, docker.io/library/other:1") ||
			!strings.Contains(err.Error(), "@4") || strings.Contains(err.Error(), "file does not exist") {
			t.Errorf("%s: %q, %v", ref, got.Config, err)
		}
	}
	if _, err := choose(list, "twice:1"); err == nil || !strings.Contains(err.Error(), "@5, @6") {
		t.Errorf("of two: %v", err)
	}
	if _, err := choose(list, ""); err == nil || !strings.Contains(err.Error(), "name one of") {
		t.Errorf("without a name: %v", err)
	}
	if _, err := choose(nil, ""); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "empty") {
		t.Errorf("of none: %v", err)
	}
}

// TestArchiveKinds: an archive of the other kind is named as one.
func TestArchiveKinds(t *testing.T) {
	saved := write(t, "saved.tar", saveArchive(t))
	layout := write(t, "layout.tar", archive(t, "oci-layout", "{}", "index.json", `{"manifests":[]}`))
	for name, want := range map[string]string{"oci-archive:" + saved: "docker-archive:" + saved, "docker-archive:" + layout: "oci-archive:" + layout} {
		s, err := Open(name, Options{TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Manifest(t.Context(), nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
