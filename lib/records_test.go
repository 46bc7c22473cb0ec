package lib

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sayRecords are the packages that may spell what records say: the types of records, the
// grammar, and the failure that every command writes.
var sayRecords = []string{"pull", "record", "tool"}

// TestRecordsHaveTypes: nobody else than the types of records spells one of their kinds or
// keys. A word that is mistyped would be an unknown one, which passes through unseen.
func TestRecordsHaveTypes(t *testing.T) {
	words := wordsOfRecords(t)
	if len(words) < 15 {
		t.Fatalf("these cannot be all: %q", words)
	}
	for _, root := range []string{".", "../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				slices.Contains(sayRecords, filepath.Dir(path)) {
				return err
			}
			files := token.NewFileSet()
			f, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			for _, lit := range spelled(f) {
				if slices.Contains(words, unquoted([]*ast.BasicLit{lit})[0]) {
					t.Errorf("%s: %s is spelled here, of which package pull has a type", files.Position(lit.Pos()), lit.Value)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wordsOfRecords returns the kinds and keys, which are constants of package pull.
func wordsOfRecords(t *testing.T) (words []string) {
	f, err := parser.ParseFile(token.NewFileSet(), "pull/kinds.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			words = append(words, unquoted(literals(spec.Values...))...)
		}
		return true
	})
	return words
}

func unquoted(list []*ast.BasicLit) (words []string) {
	for _, lit := range list {
		word, _ := strconv.Unquote(lit.Value) // which has been parsed
		words = append(words, word)
	}
	return words
}

// literals returns those of a list that are strings in quotes, also as fields, and in
// elements that have no type of their own.
func literals(list ...ast.Expr) (found []*ast.BasicLit) {
	for _, e := range list {
		switch e := e.(type) {
		case *ast.BasicLit:
			if e.Kind == token.STRING {
				found = append(found, e)
			}
		case *ast.KeyValueExpr:
			found = append(found, literals(e.Value)...)
		case *ast.CompositeLit:
			if e.Type == nil {
				found = append(found, literals(e.Elts...)...)
			}
		}
	}
	return found
}

// isOfRecord reports whether a type is one of package record, or a list of that.
func isOfRecord(e ast.Expr) bool {
	if list, ok := e.(*ast.ArrayType); ok {
		return isOfRecord(list.Elt)
	}
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "record"
}

// spelled returns the strings in quotes that stand where a kind or a key of a record can.
func spelled(f *ast.File) (found []*ast.BasicLit) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr: // rec.Get("path")
			if isField(n.Fun, "Get", "Set", "Without") {
				found = append(found, literals(n.Args...)...)
			}
		case *ast.CompositeLit: // record.Record{Kind: "layer"}, []record.Key{{"path", ""}}
			if isOfRecord(n.Type) {
				found = append(found, literals(n.Elts...)...)
			}
		case *ast.BinaryExpr: // rec.Kind == "layer"
			if isField(n.X, "Kind", "Name") || isField(n.Y, "Kind", "Name") {
				found = append(found, literals(n.X, n.Y)...)
			}
		case *ast.SwitchStmt: // switch rec.Kind { case "layer":
			if n.Tag == nil || !isField(n.Tag, "Kind", "Name") {
				break
			}
			for _, c := range n.Body.List {
				found = append(found, literals(c.(*ast.CaseClause).List...)...)
			}
		}
		return true
	})
	return found
}

// isField reports whether an expression is x.NAME.
func isField(e ast.Expr, names ...string) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && slices.Contains(names, s.Sel.Name)
}

// TestSpelled: the test above sees what it is about.
func TestSpelled(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
func _() {
	rec.Get("1"); rec = rec.Set("2", "3").Without("4", "5")
	_ = []any{record.Record{Kind: "6"}, record.Key{Name: "7", Value: value}, []record.Key{{"12", value}, {Name: "13"}}, cli.Flag{Name: "none"}, "none"}
	if rec.Kind == "8" || "9" != k.Name { fmt.Println("none") }
	switch rec.Kind { case "10", "11": other("none") }
	switch other { case "none": }
}`, 0)
	if err != nil {
		t.Fatal(err)
	}
	words := unquoted(spelled(f))
	slices.Sort(words)
	if got := strings.Join(words, " "); got != "1 10 11 12 13 2 3 4 5 6 7 8 9" {
		t.Errorf("found %s", got)
	}
}
