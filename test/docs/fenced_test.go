package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/test/documents"
)

// TestFencedCommands runs every command of the documents that needs nothing but
// the checkout. What runs the others must be there.
func TestFencedCommands(t *testing.T) {
	t.Chdir("../..")
	blocks, err := documents.Read(".")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, block := range blocks {
		if block.Needs != "" {
			checkRunBy(t, block)
			continue
		}
		for _, command := range block.Commands {
			runLine(t, block, strings.Fields(command))
			ran++
		}
	}
	if ran == 0 {
		t.Error("no command was run: the documents are not found, or mark them all")
	}
}

// ciScript makes its steps by their names: step demo 5m.
const ciScript = ".ci/run"

func checkSteps(t *testing.T, block documents.Block) {
	t.Helper()
	script, err := os.ReadFile(ciScript)
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range block.Commands {
		if target, ok := strings.CutPrefix(command, "make "); !ok || !bytes.Contains(script, []byte("\nstep "+target+" ")) {
			t.Errorf("%s: %s has no step for %q", block.Place(), ciScript, command)
		}
	}
}

// checkRunBy looks for the test, as "testHelmTest of test/e2e", or the script
// or package that a block names.
func checkRunBy(t *testing.T, block documents.Block) {
	t.Helper()
	test, folder, ok := strings.Cut(block.RunBy, " of ")
	switch {
	case block.RunBy == "":
	case block.RunBy == ciScript:
		checkSteps(t, block)
	case !ok:
		if _, err := os.Stat(block.RunBy); err != nil {
			t.Errorf("%s: what runs the block is not there: %v", block.Place(), err)
		}
	default:
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && bytes.Contains(text, []byte(test+"(t"))
		}) {
			t.Errorf("%s: there is no test %s in %s", block.Place(), test, folder)
		}
	}
}

func runLine(t *testing.T, block documents.Block, words []string) {
	t.Helper()
	if words[0] != "envgraft" {
		t.Errorf("%s: %q is no command that this test can run: write above the block <!-- needs: …; run by … -->, or <!-- needs: …; not tested -->",
			block.Place(), strings.Join(words, " "))
		return
	}
	var out, errs bytes.Buffer
	if code := cli.Main(t.Context(), words[1:], cmdutil.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 {
		t.Errorf("%s: %s: exit code %d\n%s", block.Place(), strings.Join(words, " "), code, &errs)
	}
}
