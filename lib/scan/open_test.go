package scan_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/scan"
	"cfs/lib/verity"
)

// TestReadFile: a file comes back as it was when the directory was read, or not at all.
func TestReadFile(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, map[string]string{"sub/file": big, "file": big})
	for name, test := range map[string]struct {
		change func(dir string) error
		want   error
	}{
		"nothing":       {func(string) error { return nil }, nil},
		"its time":      {func(dir string) error { return os.Chmod(dir+"/sub/file", 0o600) }, nil},
		"other content": {func(dir string) error { return os.WriteFile(dir+"/sub/file", []byte(other), 0) }, scan.ErrChanged},
		"more content":  {func(dir string) error { return os.WriteFile(dir+"/sub/file", []byte(big+"."), 0) }, scan.ErrChanged},
		"less content":  {func(dir string) error { return os.Truncate(dir+"/sub/file", 100) }, scan.ErrChanged},
		"it vanishes":   {func(dir string) error { return os.Remove(dir + "/sub/file") }, scan.ErrChanged},
		"all vanish":    {os.RemoveAll, fs.ErrNotExist},
		"a fifo": {func(dir string) error {
			return errors.Join(os.Remove(dir+"/sub/file"), unix.Mkfifo(dir+"/sub/file", 0o600))
		}, scan.ErrChanged},
		"a link to it":      {func(dir string) error { return replace(dir+"/sub/file", outside+"/file") }, scan.ErrChanged},
		"a link to its dir": {func(dir string) error { return replace(dir+"/sub", outside+"/sub") }, scan.ErrChanged},
		"the dir a file": {func(dir string) error {
			return errors.Join(os.RemoveAll(dir+"/sub"), os.WriteFile(dir+"/sub", nil, 0o600))
		}, scan.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/dir"
			write(t, dir, map[string]string{"sub/file": big, "sub/small": "small"})
			root, err := scan.Scan(dir, scan.Options{Put: scan.Sum(verity.SHA256)})
			if err != nil {
				t.Fatal(err)
			}
			sub := root.Lookup("sub")
			if err := test.change(dir); err != nil {
				t.Fatal(err)
			}
			data, err := scan.ReadFile(dir, "/sub/file", sub.Lookup("file"), verity.SHA256)
			switch {
			case test.want == nil && (err != nil || string(data) != big):
				t.Errorf("%v, %d bytes", err, len(data))
			case test.want == scan.ErrChanged && (!errors.Is(err, scan.ErrChanged) || !strings.Contains(err.Error(), dir+"/sub/file")):
				t.Errorf("%v, want %v", err, scan.ErrChanged)
			case test.want != nil && err == nil:
				t.Error("no error")
			}
			if data, err := scan.ReadFile(dir, "/sub/small", sub.Lookup("small"), verity.SHA256); err != nil || string(data) != "small" {
				t.Errorf("small: %q, %v", data, err)
			}
		})
	}
}

// replace puts a symbolic link in the place of something.
func replace(path, target string) error {
	return errors.Join(os.RemoveAll(path), os.Symlink(target, path))
}
