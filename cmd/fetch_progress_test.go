package cmd

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/faultproxy"
	"cfs/cmd/internal/registrytest"
)

// TestFetchProgress: progress goes to stderr, in the form that was asked for.
func TestFetchProgress(t *testing.T) {
	t.Parallel()
	r := registrytest.InProcess(t)
	layout := randomImage(t, 22, 200_000, 300_000)
	r.Push(t, layout, "some/image:1")
	records := ""
	for _, form := range []string{"none", "plain", "json", "auto"} {
		f := fetchingOf(t, r, layout, "some/image:1")
		f.code = strings.Replace(f.code, "--progress=none", "--progress="+form, 1)
		got := f.succeeds()
		if same := sortedLines(strings.NewReplacer(f.dir, "", f.proxy.Addr, "").Replace(whole(got.Stdout))); records == "" {
			records = same
		} else if same != records {
			t.Errorf("%s: records\n%s\nwant\n%s", form, same, records)
		}
		switch form {
		case "none":
			if got.Stderr != "" {
				t.Errorf("none: stderr %q", got.Stderr)
			}
			continue
		case "json":
			wantJSONLines(t, got.Stderr)
		}
		for _, l := range f.layers() {
			if !strings.Contains(got.Stderr, l.Digest.Encoded()[:12]) {
				t.Errorf("%s: nothing about layer %s in\n%s", form, l.Digest, got.Stderr)
			}
		}
		if strings.ContainsAny(got.Stderr, "\r\x1b") {
			t.Errorf("%s: it moves the cursor though there is no terminal: %q", form, got.Stderr)
		}
	}
	f := fetchingOf(t, r, layout, "some/image:1")
	f.fails(2, strings.Replace(f.code, "--progress=none", "--progress=much", 1), "progress")
}

// TestFetchTerminal: on a terminal progress is bars, on stderr, and records stay whole.
func TestFetchTerminal(t *testing.T) {
	cmdtest.Slow(t)
	t.Parallel()
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("SKIPPED: no terminal can be had: ", err)
	}
	r := registrytest.InProcess(t)
	layout := randomImage(t, 25, 700_000, 800_000)
	r.Push(t, layout, "some/image:1")
	for name, size := range map[string]string{"usual": "rows 25 cols 80", "narrow": "rows 5 cols 30", "of unknown size": "rows 0 cols 0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fetchingOf(t, r, layout, "some/image:1")
			f.proxy.Blobs = func(e *faultproxy.Exchange) {
				time.Sleep(300 * time.Millisecond)
				faultproxy.Pass(e)
			}
			code := f.write("fetch.sh", "#!/bin/sh\nstty "+size+" <&2\n"+strings.Replace(f.code, "--progress=none", "", 1)+" > records\n")
			seen := f.must("TERM=xterm script -qec " + code + " /dev/null < /dev/null")
			if !strings.ContainsAny(seen, "\r\x1b") {
				t.Errorf("the terminal shows %q", seen)
			}
			records, err := os.ReadFile(f.dir + "/records")
			if err != nil {
				t.Fatal(err)
			}
			f.wantRecords(string(records))
		})
	}
}
