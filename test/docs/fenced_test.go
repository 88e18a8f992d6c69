package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/envgraft/envgraft/internal/cli"
)

// TestFencedCommands runs every command of the documents that needs nothing but
// the checkout. Any other block says above it what it needs.
func TestFencedCommands(t *testing.T) {
	t.Chdir("../..")
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md", "deploy/chart/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	ran := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?ms)(^[^\n]*\n)? *```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(block[1], "<!-- needs: ") {
				continue
			}
			for line := range strings.Lines(strings.ReplaceAll(block[2], "\\\n", " ")) {
				if words := strings.Fields(line); len(words) > 0 {
					runLine(t, file, words)
					ran++
				}
			}
		}
	}
	if ran == 0 {
		t.Error("no command was run: the documents are not found, or mark them all")
	}
}

func runLine(t *testing.T, file string, words []string) {
	t.Helper()
	if words[0] != "envgraft" {
		t.Errorf("%s: %q is no command that this test can run: write <!-- needs: … --> above the block", file, strings.Join(words, " "))
		return
	}
	var out, errs bytes.Buffer
	if code := cli.Main(t.Context(), words[1:], cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != 0 {
		t.Errorf("%s: %s: exit code %d\n%s", file, strings.Join(words, " "), code, &errs)
	}
}

// TestSnippets holds the snippets of docs to being what they claim, as far as
// that can be told without AWS.
func TestSnippets(t *testing.T) {
	text, err := os.ReadFile("../../docs/iam/eksctl.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"serviceAccountName: envgraft", "ssm:GetParameter", "kms:Decrypt"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("docs/iam/eksctl.yaml has no %q", want)
		}
	}
}
