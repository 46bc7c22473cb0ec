package bootloader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cfs/lib/esp"
	"cfs/lib/verity"
)

var first, second = verity.SHA512.Sum([]byte("first")), verity.SHA512.Sum([]byte("second"))

func karg(id verity.ID) string { return "composefs.digest=v1-sha512-12:" + id.String() }

// folderOf makes a boot directory of files.
func folderOf(t *testing.T, files map[string]string) *esp.Folder {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(dir+"/"+name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return openFolder(t, dir)
}

func openFolder(t *testing.T, dir string) *esp.Folder {
	t.Helper()
	f, err := esp.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestRead: what entries name, however their lines are written.
func TestRead(t *testing.T) {
	other := strings.Repeat("ab", 32) // of the other algorithm
	for text, want := range map[string]struct {
		images []verity.ID
		files  []string
		odd    int // warnings
	}{
		"":                              {},
		"title x\noptions ro\n":         {},
		"options " + karg(first) + "\n": {images: []verity.ID{first}},
		"options ro " + karg(first):     {images: []verity.ID{first}}, // no last newline
		"\toptions\t" + karg(first) + "\r\nlinux /k\r\n":                               {images: []verity.ID{first}, files: []string{"k"}},
		"options a\noptions composefs=?" + first.String():                              {images: []verity.ID{first}},
		"options " + karg(first) + " composefs=" + second.String() + " " + karg(first): {images: []verity.ID{first, second}},
		"options \"" + karg(first) + "\"":                                              {},
		"#options " + karg(first):                                                      {},
		"optionsx " + karg(first):                                                      {},
		"options composefs.digest=v1-sha256-12:" + other:                               {},
		"options composefs=foo composefs=" + first.String():                            {images: []verity.ID{first}, odd: 1},
		"linux /../../k\ninitrd //a/./b\ninitrd c\n":                                   {files: []string{"k", "a/b", "c"}},
		"devicetree-overlay /d /e\nefi /none.efi\n":                                    {files: []string{"d", "e", "none.efi"}},
		"efi /none.efi\noptions " + karg(second):                                       {images: []verity.ID{second}, files: []string{"none.efi"}},
		"options x\x00" + "\noptions " + karg(first) + "\x00\n":                        {odd: 1},
		strings.Repeat("#\n", maxEntry/2-100) + "options " + karg(first)[:20]:          {odd: 1},
	} {
		scan, err := Read(folderOf(t, map[string]string{"loader/entries/x.conf": text}), verity.SHA512)
		if err != nil {
			t.Fatal(err)
		}
		if len(scan.Entries) != 1 || len(scan.Broken) != 0 || len(scan.Warnings) != want.odd {
			t.Errorf("%.60q: %d entries, broken %q, warnings %q", text, len(scan.Entries), scan.Broken, scan.Warnings)
			continue
		}
		if e := scan.Entries[0]; !slices.Equal(e.Images, want.images) || !slices.Equal(e.Files, want.files) {
			t.Errorf("%.60q: %v, %q", text, e.Images, e.Files)
		}
	}
}

// TestReadNames: which files are entries, and the IDs and counters that their names say.
func TestReadNames(t *testing.T) {
	files := map[string]string{"loader/entries/none": "", "loader/entries/x.conf.bak": "", "loader/x.conf": "", "loader/entries/sub/x.conf": ""}
	for name, want := range map[string]string{
		"a.conf": "a ", "b+3.CONF": "b +3", "c+0-12.conf": "c +0-12", "d+x.conf": "d+x ", "e+1+2-3.conf": "e+1 +2-3", "+5.conf": " +5", ".conf": " ", "é b.conf": "é b ",
	} {
		files["loader/entries/"+name] = want
	}
	f := folderOf(t, files)
	scan, err := Read(f, verity.SHA512)
	if err != nil || len(scan.Broken) != 0 {
		t.Fatal(err, scan)
	}
	if len(scan.Entries) != 8 {
		t.Errorf("%d entries", len(scan.Entries))
	}
	for _, e := range scan.Entries {
		want, err := os.ReadFile(f.Path + "/" + e.Path)
		if got := e.ID + " " + e.Counter; err != nil || got != string(want) {
			t.Errorf("%s: %q, want %q", e.Path, got, want)
		}
	}
}

// TestReadBroken: what may name any image is told as broken, what cannot name one as odd;
// nothing stops the reading of the rest.
func TestReadBroken(t *testing.T) {
	for name, c := range map[string]struct {
		make        func(path string) error
		broken, odd int
	}{
		"no UTF-8":        {func(p string) error { return os.WriteFile(p+".conf", []byte("title \xff"), 0o644) }, 1, 0},
		"a megabyte":      {func(p string) error { return os.WriteFile(p+".conf", make([]byte, maxEntry+1), 0o644) }, 1, 0},
		"a symbolic link": {func(p string) error { return os.Symlink("/etc/passwd", p+".conf") }, 1, 0},
		"a folder":        {func(p string) error { return os.Mkdir(p+".conf", 0o755) }, 1, 0},
		"a FIFO":          {func(p string) error { return unix.Mkfifo(p+".conf", 0o644) }, 1, 0},
		"no PE":           {func(p string) error { return os.WriteFile(p+".efi", []byte("MZ"), 0o644) }, 0, 1},
		"no PE, with text": {func(p string) error {
			return os.WriteFile(p+".efi", []byte(strings.Repeat("x", 65530)+"composefs"), 0o644)
		}, 1, 0},
		"a linked UKI": {func(p string) error { return os.Symlink("/etc/passwd", p+".efi") }, 0, 1},
		"an add-on":    {func(p string) error { return os.WriteFile(p+".ADDON.efi", []byte("composefs"), 0o644) }, 0, 0},
	} {
		f := folderOf(t, map[string]string{"loader/entries/good.conf": "options " + karg(first), "EFI/Linux/sub/README": ""})
		for _, dir := range []string{"/loader/entries/x", "/EFI/Linux/x"} {
			if strings.Contains(dir, "EFI") != (name == "no PE" || name == "no PE, with text" || name == "a linked UKI" || name == "an add-on") {
				continue
			}
			if err := c.make(f.Path + dir); err != nil {
				t.Fatal(err)
			}
		}
		scan, err := Read(f, verity.SHA512)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(scan.Broken) != c.broken || len(scan.Warnings) != c.odd || !scan.Names(first) || scan.Names(second) {
			t.Errorf("%s: broken %q, warnings %q, entries %v", name, scan.Broken, scan.Warnings, scan.Entries)
		}
	}
}

// TestReadUnreadable: an error of the machine says nothing of what there is.
func TestReadUnreadable(t *testing.T) {
	for _, dir := range []string{"loader", "loader/entries", "EFI/Linux", "loader/entries.staged"} {
		f := folderOf(t, map[string]string{"x": ""})
		if err := os.MkdirAll(filepath.Dir(f.Path+"/"+dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Path+"/"+dir, nil, 0o644); err != nil { // no folder
			t.Fatal(err)
		}
		if scan, err := Read(f, verity.SHA512); err == nil {
			t.Errorf("%s: %+v", dir, scan)
		}
	}
	if scan, err := Read(openFolder(t, t.TempDir()+"/none"), verity.SHA512); err != nil || len(scan.Entries) != 0 {
		t.Errorf("a missing folder: %v, %v", scan, err)
	}
}

// TestMakeState: the folders that a booted system writes to; what is there stays.
func TestMakeState(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	for _, shared := range []bool{false, true} {
		state := t.TempDir() + "/a/state"
		for range 2 {
			if err := makeState(state, first, shared); err != nil {
				t.Fatal(err)
			}
			dir := state + "/" + stateOf(first)
			for _, name := range []string{dir, dir + "/etc/upper", dir + "/etc/work", dir + "/var"} {
				if st, err := os.Stat(name); err != nil || st.Mode() != os.ModeDir|0o755 {
					t.Errorf("%s: %v, %v", name, st, err)
				}
			}
			if err := os.WriteFile(dir+"/var/kept", nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := os.Stat(state + "/os/default/var/kept")
		if (err == nil) != shared {
			t.Errorf("shared %v: %v", shared, err)
		}
		for range 2 {
			if err := removeState(state, first); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(state + "/" + stateOf(first)); err == nil {
			t.Error("the state is not removed")
		}
	}
	linked := t.TempDir()
	if err := os.Symlink(t.TempDir(), linked+"/deploy"); err != nil {
		t.Fatal(err)
	}
	if err := makeState(linked, first, false); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link in the state folder: %v", err)
	}
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := makeState(file, first, false); err == nil {
		t.Error("a file is a state folder")
	}
}

// TestIDs: given and made ones.
func TestIDs(t *testing.T) {
	for id, ok := range map[string]bool{
		"a": true, "_": true, "a.b-c_D9": true, strings.Repeat("a", 200): true,
		"": false, ".a": false, "-a": false, "a.": false, "a+1": false, "a/b": false, "a b": false, "é": false, "a\n": false, strings.Repeat("a", 201): false,
	} {
		if err := CheckID(id); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
	for system, want := range map[string]string{
		"debian": "debian", "": "composefs", "../x": "composefs", "a b": "composefs", "A+3": "composefs", strings.Repeat("a", 184): "composefs",
	} {
		got := idOf(system, first)
		if got != fmt.Sprintf("%s-%.16s", want, first) || CheckID(got) != nil {
			t.Errorf("%q: %q", system, got)
		}
	}
}

// FuzzRead: no file below a boot directory crashes the reading, and what is not broken has an ID.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"title x\noptions " + karg(first) + "\nlinux /k\n", "efi /EFI/Linux/x.efi\noptions a", "uki x.efi\n", "MZ\x00\x00", "options composefs=?zz \"\n"} {
		f.Add("x+3-1.conf", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		if esp.CheckName(name) != nil {
			return
		}
		scan, err := Read(folderOf(t, map[string]string{"loader/entries/" + name: string(text), "EFI/Linux/x.efi": string(text)}), verity.SHA512)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range scan.Entries {
			for _, file := range e.Files {
				if strings.HasPrefix(file, "/") || strings.HasPrefix(file+"/", "../") {
					t.Errorf("%q is not below the folder", file)
				}
			}
		}
	})
}
