package lib

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the house: which packages of ours each package may import. The
// way of the data is the order of the rows. A format never sees the store, and
// the store never parses a format; only oci and what stands on it know both. A row
// allows nothing that is not used. Packages under internal are for tests alone: they have
// no row, and are in none. A generator in _asm is a module of its own.
var mayImport = map[string][]string{
	"corrupt":     {},
	"temporary":   {},
	"missing":     {},
	"terminal":    {},
	"tolerance":   {},
	"variant":     {},
	"fd":          {},
	"flock":       {"fd"},
	"uptime":      {},
	"userns":      {},
	"lanes":       {},
	"verity":      {"lanes", "fd", "corrupt"},
	"signature":   {"verity", "corrupt"},
	"seal":        {"signature", "verity", "missing", "corrupt"},
	"signed":      {"oci", "repo", "spool", "seal", "signature", "manifest", "variant", "verity", "missing", "corrupt"},
	"record":      {"verity", "terminal"},
	"blob":        {"corrupt"},
	"manifest":    {"fd", "blob", "tolerance", "missing", "corrupt"},
	"policy":      {},
	"registry":    {"policy", "manifest", "blob", "missing", "temporary", "corrupt"},
	"source":      {"fd", "policy", "registry", "manifest", "blob", "missing", "corrupt"},
	"spool":       {"fd", "manifest", "blob", "flock", "corrupt"},
	"objects":     {"uptime", "fd", "verity", "corrupt"},
	"repo":        {"objects", "flock", "fd", "verity", "variant", "corrupt"},
	"splitstream": {"verity", "corrupt"},
	"tarsplit":    {"corrupt"},
	"recipe":      {"fd", "tarsplit", "missing", "corrupt"},
	"chunked":     {"tarsplit", "blob", "corrupt"},
	"tree":        {"verity", "tolerance"},
	"tarball":     {"tree", "tolerance", "corrupt"},
	"layer":       {"tarball", "splitstream", "tree", "variant", "tolerance", "verity", "corrupt"},
	"dumpfile":    {"tree", "verity", "corrupt"},
	"compare":     {"record", "dumpfile", "tree", "verity"},
	"scan":        {"tree", "tolerance", "temporary", "verity"},
	"erofs":       {"tree", "variant", "verity", "corrupt"},
	"selinux":     {"tree", "corrupt"},
	"boot":        {"selinux", "tree", "variant", "verity", "corrupt"},
	"mount":       {"uptime", "userns"},
	"serve":       {"mount", "erofs", "verity", "fd", "missing", "corrupt"},
	"oci":         {"fd", "recipe", "uptime", "mount", "repo", "manifest", "blob", "layer", "tarball", "splitstream", "erofs", "tree", "variant", "tolerance", "temporary", "verity", "corrupt", "missing", "objects"},
	"incremental": {"chunked", "tarsplit", "oci", "layer", "tarball", "repo", "splitstream", "spool", "source", "blob", "tree", "verity", "corrupt"},
	"lookup":      {"oci", "repo", "verity", "variant", "corrupt", "missing"},
	"fsck":        {"repo", "oci", "manifest", "splitstream", "variant", "verity", "terminal", "corrupt", "lookup", "objects", "record"},
	"gc":          {"mount", "repo", "oci", "verity", "corrupt", "objects", "built"},
	"progress":    {"record", "terminal"},
	"build":       {"fd", "repo", "objects", "oci", "manifest", "boot", "scan", "dumpfile", "erofs", "tree", "variant", "tolerance", "verity", "corrupt", "lookup"},
	"built":       {"oci", "repo", "variant", "verity", "corrupt"},
	"bootable":    {"record", "repo", "oci", "boot", "dumpfile", "tree", "terminal", "variant", "verity", "corrupt", "lookup", "missing"},
	"esp":         {"fd", "flock"},
	"bootloader":  {"fd", "flock", "esp", "bootable", "lookup", "repo", "oci", "boot", "tree", "variant", "verity", "corrupt", "missing"},
	"inspect":     {"record", "repo", "oci", "erofs", "dumpfile", "compare", "tree", "variant", "tolerance", "verity", "corrupt", "lookup", "missing"},
	"graph":       {"terminal"},
	"survey":      {"mount", "repo", "oci", "spool", "graph", "manifest", "objects", "signed", "variant", "verity", "terminal", "corrupt", "record"},
	"pull":        {"terminal", "fd", "build", "tree", "record", "flock", "repo", "oci", "spool", "source", "manifest", "blob", "progress", "variant", "tolerance", "temporary", "verity", "corrupt", "missing", "built", "seal", "incremental"},
	"tool":        {"lanes", "userns", "record", "repo", "splitstream", "variant", "flock", "progress", "terminal", "temporary", "corrupt", "missing"},
}

func TestImports(t *testing.T) {
	used := make(map[string]bool) // "package imported"
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		pkg := filepath.Dir(path)
		if err == nil && (path == "internal" || d.Name() == "_asm") {
			return fs.SkipDir
		}
		if err != nil || pkg == "." || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		allowed, ok := mayImport[pkg]
		if !ok {
			t.Errorf("%s: package %s has no row in the table", path, pkg)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			ours, ok := strings.CutPrefix(name, "cfs/lib/")
			used[pkg+" "+ours] = true
			if ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s: package %s may not import %s", path, pkg, ours)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, allowed := range mayImport {
		for _, ours := range allowed {
			if !used[pkg+" "+ours] {
				t.Errorf("package %s does not import %s, which its row allows", pkg, ours)
			}
		}
	}
}
