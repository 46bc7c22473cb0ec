package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newTestBench(t *testing.T) *bench {
	t.Helper()
	tools := t.TempDir()
	if err := os.WriteFile(filepath.Join(tools, "cfs-pull"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := newBench(context.Background(), options{scale: 0.001, pairs: 1, dir: t.TempDir(), tools: tools}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMeasure: what outlives the shell is waited for.
func TestMeasure(t *testing.T) {
	b, dir := newTestBench(t), t.TempDir()
	code := `echo "$1"; { while kill -0 $$ 2>/dev/null; do :; done; echo >late; } &`
	u, err := b.measure(command{code: code, operands: []string{"an operand"}}, dir, os.Getenv("PATH"))
	if err != nil || u.Wall <= 0 {
		t.Fatalf("%+v, %v", u, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "late")); err != nil {
		t.Error("it was not waited for what the shell left running")
	}
	if out, _ := os.ReadFile(filepath.Join(dir, "stdout")); string(out) != "an operand\n" {
		t.Errorf("stdout is %q", out)
	}
}

// TestMeasureFailure: a command that fails is an error that says why.
func TestMeasureFailure(t *testing.T) {
	b := newTestBench(t)
	_, err := b.measure(command{code: "echo no way >&2; exit 3"}, t.TempDir(), os.Getenv("PATH"))
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no way") {
		t.Error(err)
	}
}

// TestDifference: programs that do not make the same are not compared.
func TestDifference(t *testing.T) {
	b := newTestBench(t)
	run := func(kind, code string) contestant {
		return contestant{name: code, kind: kind, command: command{code: code}, result: "cat stdout"}
	}
	for _, second := range []string{"echo  a", "echo b"} {
		both := &task{entries: 1, runs: []contestant{run(kindOurs, "echo a"), run(kindOther, second)}}
		err := b.rounds(both, &result{Programs: make([]program, 2)})
		if (err == nil) != (second == "echo  a") {
			t.Errorf("%s: %v", second, err)
		}
	}
}

func TestStandIn(t *testing.T) {
	if !standIn("../mkcomposefs") {
		t.Error("our script passes for the C project's tool")
	}
	if standIn("/bin/sh") {
		t.Error("/bin/sh passes for our script")
	}
}
