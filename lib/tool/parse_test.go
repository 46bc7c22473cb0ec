package tool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestParse: a value is read once; without one the variable stays; what cannot be read is a
// usage error that names the option.
func TestParse(t *testing.T) {
	n := 7
	if err := Parse("n", "", strconv.Atoi, &n); err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
	if err := Parse("n", "12", strconv.Atoi, &n); err != nil || n != 12 {
		t.Errorf("%d, %v", n, err)
	}
	err := Parse("n", "x", strconv.Atoi, &n)
	if want := `--n: strconv.Atoi: parsing "x": invalid syntax`; Status(err) != Usage || err.Error() != want || n != 12 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestOpenInput: a file, or stdin.
func TestOpenInput(t *testing.T) {
	if in, err := OpenInput("-"); err != nil || in != os.Stdin {
		t.Errorf("%v, %v", in, err)
	}
	name := filepath.Join(t.TempDir(), "-")
	if _, err := OpenInput(name); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := OpenInput(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}

// TestGiven: an option that has its default is given, a switch that is off is not.
func TestGiven(t *testing.T) {
	var o Options
	app := &cli.App{Name: "x", Flags: []cli.Flag{&cli.BoolFlag{Name: "on"}, &cli.BoolFlag{Name: "off"}, &cli.BoolFlag{Name: "none"}, &cli.IntFlag{Name: "n"}}}
	app.Action = o.Action(func() error { return nil })
	if err := app.Run([]string{"x", "--on", "--off=false", "--n", "0"}); err != nil {
		t.Fatal(err)
	}
	for option, want := range map[string]bool{"on": true, "off": false, "none": false, "n": true} {
		if o.Given(option) != want {
			t.Errorf("--%s: %v", option, !want)
		}
	}
}
