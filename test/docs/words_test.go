package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWords holds documents, messages and comments to the word list of
// docs/glossary.md.
func TestWords(t *testing.T) {
	const root = "../.."
	glossary := filepath.Join("docs", "glossary.md")
	text, err := os.ReadFile(filepath.Join(root, glossary))
	if err != nil {
		t.Fatal(err)
	}
	words := forbiddenWords(string(text))
	if len(words) < 20 {
		t.Fatalf("%s: %d words in the column \"not\": the table is not read as it is written", glossary, len(words))
	}
	forbidden := regexp.MustCompile(`(?i)\b(` + strings.Join(words, "|") + `)\b`)
	files, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z", "--", "*.go", "*.md", "*.txt", "*.yaml", "*.tpl", "Makefile").Output()
	if err != nil {
		t.Fatalf("cannot list the files: %v", err)
	}
	read := 0
	for name := range strings.SplitSeq(strings.TrimRight(string(files), "\x00"), "\x00") {
		if name == glossary {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		read++
		for number, line := range strings.Split(string(text), "\n") {
			if found := forbidden.FindString(line); found != "" {
				t.Errorf("%s:%d: %q: docs/glossary.md says what to write instead", name, number+1, found)
			}
		}
	}
	if read < 300 {
		t.Errorf("%d files were read, want all of the repository", read)
	}
}

// forbiddenWords are the column "not" of the table of words.
func forbiddenWords(glossary string) []string {
	_, table, _ := strings.Cut(glossary, "| write | not |\n")
	var words []string
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || strings.HasPrefix(cells[2], "-") {
			continue
		}
		for word := range strings.SplitSeq(cells[2], ",") {
			words = append(words, regexp.QuoteMeta(strings.TrimSpace(word)))
		}
	}
	return words
}
