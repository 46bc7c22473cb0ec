package lib

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// judges are the functions that look at bytes in memory, and so whose errors may be marked
// as being about corrupt data. A function that reads has no place here: its errors are
// handed on by fmt.Errorf.
var judges = []string{
	"json.Unmarshal", "decode", "decodeStrictly", "Validate", // JSON and digests
	"asn1.Unmarshal", "x509.ParseCertificates", // DER
	"parseOctal", "parseXattr", "checkTarget", "checkFile", "checkName", "parseRef", // headers and tables
	"parseDigest", "tarSplitDigest", "parseHex", "parseDialect", "regexp2.Compile", // words and patterns
}

// judged are the functions that mark an error which came to them in another way, and why
// that is about data.
var judged = map[string]string{
	"erofs.ReadFormat": "the image ends early",
	"fsck.find":        "something is missing",
	"gc.addRoot":       "something is missing",
	"main.lacks":       "something is missing",
	"pull.lost":        "something is missing",
}

// TestCorruptWraps: an error that is marked as being about corrupt data wraps nothing, or
// what a judge has returned: never what a reader has. (corrupt.Errorf would not mark an
// error of the system; other readers may fail otherwise.)
func TestCorruptWraps(t *testing.T) {
	unused, used := maps.Clone(judged), map[string]bool{}
	for _, root := range []string{".", "../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			for _, decl := range f.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok {
					name := f.Name.Name + "." + fn.Name.Name
					for _, problem := range wrongMarks(fn, used) {
						if judged[name] == "" {
							t.Errorf("%s: %s %s", set.Position(problem.at), name, problem.text)
						}
						delete(unused, name)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range unused {
		t.Errorf("%s is listed, and marks nothing that is not from a judge", name)
	}
	for _, name := range judges {
		if !used[name] {
			t.Errorf("nobody marks an error of the judge %s", name)
		}
	}
}

type wrongMark struct {
	at   token.Pos
	text string
}

// wrongMarks returns the calls of corrupt.Errorf in a function that wrap an error which is
// not from a judge, and adds where the others are from to used.
func wrongMarks(fn *ast.FuncDecl, used map[string]bool) (found []wrongMark) {
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || callee(call) != "corrupt.Errorf" {
			return true
		}
		wrapped, ok := wrappedArgs(call)
		if !ok {
			found = append(found, wrongMark{call.Pos(), "has a format that is no literal"})
		}
		for _, arg := range wrapped {
			from := origin(fn, arg)
			used[from] = true
			if from != "" && !slices.Contains(judges, from) {
				found = append(found, wrongMark{arg.Pos(), "marks an error of " + from})
			}
		}
		return true
	})
	return found
}

// wrappedArgs returns the arguments of a call that its format wraps.
func wrappedArgs(call *ast.CallExpr) (wrapped []ast.Expr, ok bool) {
	literal, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return nil, false
	}
	format, err := strconv.Unquote(literal.Value)
	if err != nil {
		return nil, false
	}
	verbs := strings.Split(strings.ReplaceAll(format, "%%", ""), "%")[1:]
	for i, verb := range verbs {
		if strings.HasPrefix(verb, "w") {
			wrapped = append(wrapped, call.Args[i+1])
		}
	}
	return wrapped, true
}

// callee returns what a call calls: "package.Function", or the name of a function or method.
func callee(call *ast.CallExpr) string {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		return fn.Name
	case *ast.SelectorExpr:
		if pkg, ok := fn.X.(*ast.Ident); ok && slices.Contains([]string{"corrupt", "json", "asn1", "x509", "regexp", "regexp2", "syntax", "fmt", "io", "os"}, pkg.Name) {
			return pkg.Name + "." + fn.Sel.Name
		}
		return fn.Sel.Name
	}
	return "a call"
}

// origin returns the function that an error comes from: the last one before its use that it
// was assigned from. It returns "" for a value that is no result of a call, as a variable
// of a package.
func origin(fn *ast.FuncDecl, arg ast.Expr) string {
	id, ok := arg.(*ast.Ident)
	if !ok || strings.HasPrefix(id.Name, "err") && len(id.Name) > len("err") || strings.HasPrefix(id.Name, "Err") {
		return ""
	}
	last, from := token.NoPos, "its caller"
	ast.Inspect(fn, func(n ast.Node) bool {
		assign, ok := n.(*ast.AssignStmt)
		if !ok || assign.End() > arg.Pos() || assign.Pos() < last {
			return true
		}
		for i, left := range assign.Lhs {
			if l, ok := left.(*ast.Ident); ok && l.Name == id.Name {
				last, from = assign.Pos(), source(assign, i)
			}
		}
		return true
	})
	return from
}

// source returns the function of which an assignment assigns the result number i.
func source(assign *ast.AssignStmt, i int) string {
	if len(assign.Rhs) == 1 {
		i = 0
	}
	if call, ok := assign.Rhs[i].(*ast.CallExpr); ok {
		return callee(call)
	}
	return fmt.Sprintf("a %T", assign.Rhs[i])
}
