package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is a line that `go test -json` prints (go doc test2json; those of builds:
// go help buildjson).
type event struct {
	Action  string
	Package string
	Test    string // "" for one about the package
	Output  string
}

// name is a test, or a package if test is "".
type name struct{ pkg, test string }

// summary takes in events and tells what came of the tests.
type summary struct {
	out io.Writer // for people
	log io.Writer // for all output

	printed map[name][]string // by what has not ended
	failed  []string          // what those that failed printed
	skipped []skip

	passes, failures, skips int
	failedIn                map[string]int // failures of a package
}

// skip is a reason for which tests of a package were skipped.
type skip struct {
	pkg, reason string
	tests       []string
}

// read takes in events until there are no more.
func (s *summary) read(in io.Reader) error {
	s.printed, s.failedIn = map[name][]string{}, map[string]int{}
	for d := json.NewDecoder(in); ; {
		var e event
		err := d.Decode(&e)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("output of go test -json: %w", err)
		}
		if err := s.take(e); err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) error {
	n := name{e.Package, e.Test}
	switch e.Action {
	case "output":
		s.printed[n] = append(s.printed[n], e.Output)
		if e.Test == "" && strings.HasPrefix(e.Output, "ok  \t") {
			fmt.Fprint(s.out, e.Output)
		}
	case "build-output":
		s.failed = append(s.failed, e.Output)
	case "pass", "fail", "skip":
		s.end(e.Action, n)
	}
	_, err := io.WriteString(s.log, e.Output)
	return err
}

// end counts what has ended.
func (s *summary) end(action string, n name) {
	lines := s.printed[n]
	delete(s.printed, n)
	switch {
	case n.test == "" && action == "fail":
		s.endPackage(n.pkg, lines)
	case n.test == "": // one that is skipped has no tests
	case action == "pass":
		s.passes++
	case action == "fail":
		s.fail(n.pkg, lines)
	default:
		s.skips++
		s.skip(n, reason(lines))
	}
}

// endPackage is for one that failed: for its tests, for one of them that did not come
// to its end, or, if there is none, by itself.
func (s *summary) endPackage(pkg string, lines []string) {
	fmt.Fprintf(s.out, "FAIL\t%s\n", pkg)
	for n, lines := range s.printed {
		if n.pkg == pkg {
			s.fail(pkg, lines)
			delete(s.printed, n)
		}
	}
	if s.failedIn[pkg] == 0 {
		s.fail(pkg, nil)
	}
	s.failed = append(s.failed, strings.Join(lines, ""))
}

func (s *summary) fail(pkg string, lines []string) {
	s.failures++
	s.failedIn[pkg]++
	s.failed = append(s.failed, strings.Join(lines, ""))
}

// reason returns what a skipped test said, on one line, less the place in the source.
func reason(lines []string) string {
	var words []string
	for _, line := range lines {
		if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(strings.TrimSpace(line), "--- ") {
			words = append(words, strings.Fields(line)...)
		}
	}
	if len(words) > 0 && strings.Contains(words[0], ".go:") {
		words = words[1:]
	}
	return strings.Join(words, " ")
}

// skip notes a skipped test with others of its package that were so for its reason.
func (s *summary) skip(n name, reason string) {
	i := slices.IndexFunc(s.skipped, func(k skip) bool { return k.pkg == n.pkg && k.reason == reason })
	if i < 0 {
		i = len(s.skipped)
		s.skipped = append(s.skipped, skip{pkg: n.pkg, reason: reason})
	}
	s.skipped[i].tests = append(s.skipped[i].tests, n.test)
}

// finish prints what is to be said at the end.
func (s *summary) finish() {
	if len(s.failed) > 0 {
		fmt.Fprintln(s.out, "\nfailed:")
		for _, text := range s.failed {
			fmt.Fprint(s.out, text)
		}
	}
	if len(s.skipped) > 0 {
		fmt.Fprintln(s.out, "\nskipped:")
	}
	for _, k := range s.skipped {
		tests := k.tests[0]
		if more := len(k.tests) - 1; more > 0 {
			tests += fmt.Sprintf(" and %d more", more)
		}
		fmt.Fprintf(s.out, "  %s %s: %s\n", k.pkg, tests, k.reason)
	}
	fmt.Fprintf(s.out, "\n%d passed, %d failed, %d skipped\n", s.passes, s.failures, s.skips)
}
