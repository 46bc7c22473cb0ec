package cmd

import (
	"archive/tar"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"cfs/cmd/cmdtest"
	"cfs/cmd/internal/imagetest"
)

// evil is a name that colors a terminal, clears it in two ways, rings, and begins a new line.
const evil = "a\x1b[31m\u009b2J\x07\n\x7f<>\"'\\ b"

// evilBytes is evil, and not UTF-8.
const evilBytes = evil + "\xff\x9b2J"

// hostileLayout makes a layout of an image that has evil wherever an image can have text.
func hostileLayout(t *testing.T, dir string) {
	t.Helper()
	member := func(name string, typ byte, target, content string) imagetest.Member {
		return imagetest.Member{Header: tar.Header{Name: name, Typeflag: typ, Mode: 0o755, Linkname: target,
			PAXRecords: map[string]string{"SCHILY.xattr.user." + evil: evil}, Format: tar.FormatPAX}, Content: content}
	}
	layer := imagetest.Tar(t, member("usr/", tar.TypeDir, "", ""), member("usr/"+evilBytes, tar.TypeReg, "", strings.Repeat("large", 100)),
		member("usr/link"+evilBytes, tar.TypeSymlink, evilBytes, ""), member("usr/lib/modules/"+evilBytes+"/vmlinuz", tar.TypeReg, "", "kernel"),
		member("boot/loader/entries/"+evilBytes+".conf", tar.TypeReg, "", "title "+evilBytes+"\nlinux /"+evilBytes+"\noptions "+evilBytes+"\n"))
	l := imagetest.NewLayout(t, dir)
	created, text := map[string]string{evil: evil}, evil
	config := map[string]any{
		"created": evil, "author": evil, "os": "linux", "architecture": runtime.GOARCH, "variant": "", "rootfs": map[string]any{"type": "layers", "diff_ids": []digest.Digest{digest.FromBytes(layer)}},
		"config": map[string]any{"Labels": created, "Env": []string{evil}, "Entrypoint": []string{evil}, "Cmd": []string{evil}, "User": text, "WorkingDir": text,
			"StopSignal": text, "ExposedPorts": map[string]any{evil: struct{}{}}, "Volumes": map[string]any{evil: struct{}{}}},
	}
	blob := l.Blob(v1.MediaTypeImageLayer, layer)
	blob.Annotations = created
	l.Name(evil, l.JSON(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: evil,
		Config: l.JSON(v1.MediaTypeImageConfig, config), Layers: []v1.Descriptor{blob}, Annotations: created,
	}))
	l.Name("artifact", l.JSON(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, ArtifactType: evil,
		Config: l.Blob(evil, []byte("{}")), Layers: []v1.Descriptor{l.Blob(evil, []byte("blob"))}, Annotations: created,
	}))
}

// hostileCommands are those of cfs, each with what is run of it: on $E, a name, and more that
// is prepared. A command without any would print nothing that an image chooses.
var hostileCommands = map[string][]string{
	"pull":              {`cfs-pull --progress plain "oci:$LAYOUT:$E" new`, `cfs-pull --progress json "oci:$LAYOUT:$E" new`, `cfs-pull "oci:$LAYOUT:$E" "$E"`, `cfs-pull "oci:$LAYOUT:none" new`},
	"init":              {`cfs init --repo "$DIR/$E" --insecure; cfs init --repo "$DIR/$E" --insecure --algorithm fsverity-sha256-12`},
	"ls":                {`cfs ls`, `cfs ls --json`, `cfs ls --refs`, `cfs ls "$E*"`, `cfs ls --shared "$E" two`, `cfs ls --shared --json "$E" two`, `cfs ls "no$E"`},
	"inspect":           {`cfs inspect "$E"`, `cfs inspect --json "$E"`, `cfs inspect artifact`, `cfs inspect "no$E"`},
	"show":              {`cfs show "$E"`, `cfs show --json "$E"`, `cfs show artifact`, `cfs show "no$E"`},
	"tag":               {`cfs tag "$E" "$E"`, `cfs tag "no$E" new`},
	"untag":             {`cfs untag "no$E"`, `cfs untag "refs/no$E"`, `cfs untag "no$E*["`},
	"why":               {`cfs why $OBJECT`, `cfs why --paths $OBJECT`, `cfs why --json --paths $OBJECT`, `cfs why "$E"`},
	"which":             {`cfs which "/usr/$B"`, `cfs which --json "/usr/link$B"`, `cfs which "/usr/link$B"`, `cfs which "no$E"`},
	"graph":             {`cfs graph`, `cfs graph --dot`, `cfs graph --svg`, `cfs graph "no$E"`},
	"verify":            {`cfs verify "$E"`, `cfs verify --trust-cert "no$E" two`, `cfs verify "no$E"`},
	"sign":              {`cfs sign --cert "no$E" --key "no$E" "$E"`, `cfs sign --cert "$FILE" --signature "$E" two`},
	"boot-install":      {`cfs boot-install --bootdir "$DIR/no$E" "no$E"`, `cfs boot-install --bootdir "$DIR" --entry "no$E" two`, `cfs boot-install --bootdir "$DIR" --cmdline "$E" two`},
	"boot-list":         {`mkdir -p "$DIR/esp/loader/entries" && printf 'title \033[31m\noptions composefs.digest=v1-sha512-12:%s \033[31m\n' "$IMAGE" >"$DIR/esp/loader/entries/x$E.conf" && cfs boot-list --bootdir "$DIR/esp"`, `cfs boot-list --json --bootdir "$DIR/esp"`, `cfs boot-list --bootdir "no$E"`},
	"boot-remove":       {`cfs boot-remove --bootdir "$DIR" "no$E"`},
	"seal":              {`cfs seal --dry-run two`, `cfs seal "no$E"`},
	"export-signatures": {`cfs export-signatures "no$E" "no$E"`, `cfs export-signatures two "no$E"`},
	"tbs":               {`cfs tbs --role "$E" two`, `cfs tbs "no$E"`},
	"files":             {`cfs files "$E"`, `cfs files -l "$E"`, `cfs files "$E" "no$E"`, `cfs files "no$E"`},
	"cat":               {`cfs cat "$E" "no$E"`, `cfs cat "$E" "/usr/link$B"`},
	"tar":               {`cfs tar "$E"`, `cfs tar "no$E" | cat`},
	"dump":              {`cfs dump "$E"`, `cfs dump --compat "$E"`},
	"objects":           {`cfs objects "$E"`},
	"diff":              {`cfs diff "$E" two`, `cfs diff --json "$E" two`, `cfs diff --stat "$E" two`, `cfs diff --stat --json "$E" two`, `cfs diff two "no$E"`},
	"measure":           {`cfs measure "$FILE"`, `cfs measure "no$E"`},
	"boot-entries":      {`cfs boot-entries "$E"`, `cfs boot-entries --json "$E"`, `cfs boot-entries "no$E"`},
	"karg":              {`cfs karg "$E"`, `cfs karg "no$E"`},
	"mount":             {`cfs mount "no$E" /mnt`, `cfs mount two "$DIR/no$E"`, `cfs mount -o "$E" two /mnt`},
	"mounts":            {`cfs mounts`, `cfs mounts --json`},
	"check":             {`cfs check`, `cfs check --json`, `cfs check --repo $DIR/damaged`, `cfs check --json --repo $DIR/damaged`, `cfs check --content "$E"`, `cfs check "no$E"`},
	"info":              {`cfs info`, `cfs info --json`, `cfs info --spool "$DIR/$E"`},
	"gc":                {`cfs gc -n`, `cfs gc -n --repo $DIR/damaged`},
	"inhibit":           {`cfs inhibit -- "no$E"`},
	"fetch":             {`cfs fetch "oci:$LAYOUT:$E"`, `cfs fetch --json "oci:$LAYOUT:$E"`, `cfs fetch --plan "oci:$LAYOUT:$E"`, `cfs fetch "oci:$LAYOUT:no"`, `cfs fetch "oci:no$E"`, `cfs fetch cat "oci:$LAYOUT:$E" "$E"`},
	"push-signatures":   {`cfs push-signatures "oci:no$E" "docker://127.0.0.1:1/no$E"`},
	"import":            {`cfs import ls $STREAM`, `cfs import show $STREAM`, `cfs import ls "no$E"`, `cfs import "no$E"`, `printf 'layer - path=no\033\n' | cfs import`},
	"mkerofs":           {`printf 'x\033[31m - \033[31m\n' | cfs mkerofs`, `cfs mkerofs --oci "no$E"`, `cfs mkerofs --dumpfile "no$E"`, `cfs show "$E" | cfs mkerofs`, `cfs mkerofs --image two --store --ref "$E"`},
	"link":              {`printf 'x\033[31m - \033[31m\n' | cfs link`, `cfs show "$E" | cfs link --tag "$E"`, `cfs show "$E" | cfs link --tag new`, `cfs link "$E"`},
}

// TestHostileNames: whatever an image, a tag or an operand holds, no tool prints it raw to a
// terminal.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	cmdtest.Slow(t)
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("SKIPPED: ", err)
	}
	dir := t.TempDir()
	repo, layout := filepath.Join(dir, "repo"), filepath.Join(dir, "layout")
	hostileLayout(t, layout)
	demo, err := filepath.Abs("../testdata/demo-image")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"DEMO=" + demo, "DIR=" + dir, "LAYOUT=" + layout, "E=" + evil, "B=" + evilBytes, "FILE=" + filepath.Join(dir, evilBytes)}
	if err := os.WriteFile(filepath.Join(dir, evilBytes), []byte("file"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(code string) string {
		t.Helper()
		r := cmdtest.Shell(t, dir, code, env...)
		if r.Status != 0 {
			t.Fatalf("%s: %+v", code, r)
		}
		return r.Stdout
	}
	env = append(env, "COMPOSEFS_REPO="+repo)
	records := run(`cfs-pull --init --insecure --progress none "oci:$LAYOUT:$E" one && cfs-pull --progress none oci:$LAYOUT:artifact artifact &&
		cfs-pull --progress none oci:$DEMO:latest two`)
	stream := regexp.MustCompile(`(?m)^layer .* stream=(\w+)`).FindStringSubmatch(records)[1]
	object := run(`cfs objects one | head -1`)
	env = append(env, "STREAM="+stream, "OBJECT="+strings.TrimSpace(object))
	// Others make such tags and refs.
	run(`cp -P $COMPOSEFS_REPO/streams/refs/oci/one "$COMPOSEFS_REPO/streams/refs/oci/$E" && mkdir -p $COMPOSEFS_REPO/images/refs &&
		ln -s ../$(cfs ls one | cut -f3) "$COMPOSEFS_REPO/images/refs/$E" && cp -a $COMPOSEFS_REPO $DIR/damaged && rm $DIR/damaged/streams/oci-layer-* &&
		touch "$DIR/damaged/streams/refs/oci/stray$E" "$DIR/damaged/objects/$E"`)

	for _, code := range []string{`cfs tag one "$E"`, `cfs mkerofs --image two --store --ref "new$E"`, `cfs show one | cfs link --tag "$B"`} {
		if r := cmdtest.Shell(t, dir, code, env...); r.Status != 2 || !strings.Contains(r.Stderr, "control characters") {
			t.Errorf("%s: %+v", code, r)
		}
	}
	known := run("cfs help")
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+) +(?:cfs-)\S+`).FindAllStringSubmatch(known, -1) {
		if hostileCommands[m[1]] == nil {
			t.Errorf("cfs %s is tried with no hostile name", m[1])
		}
	}
	for name, codes := range hostileCommands {
		for _, code := range codes {
			c := exec.Command("script", "-qec", code, "/dev/null")
			c.Dir, c.Env = dir, cmdtest.Env(t, env...)
			out, err := c.CombinedOutput()
			if err != nil && c.ProcessState.ExitCode() < 0 {
				t.Fatalf("%s: %v", code, err)
			}
			if bad := rawIn(string(out)); bad != "" {
				t.Errorf("%s: %s prints %s in %q", name, code, bad, out)
			}
			if strings.Contains(code, "--json") && strings.HasPrefix(string(out), "{") && !json.Valid([]byte(strings.SplitN(string(out), "\n", 2)[0])) {
				t.Errorf("%s is no JSON: %q", code, out)
			}
		}
	}
}

// rawIn returns what of a text does something to a terminal, or is not UTF-8, "" if nothing does.
func rawIn(out string) string {
	if !utf8.ValidString(out) {
		return "bytes that are not UTF-8"
	}
	for _, c := range out {
		if unicode.IsControl(c) && !strings.ContainsRune("\r\n\t", c) {
			return string([]rune{c})
		}
	}
	return ""
}
