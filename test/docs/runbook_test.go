package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/test/documents"
)

// TestRunbook has each case and each alert say what is seen, how to be sure,
// what helps at once and what helps for good.
func TestRunbook(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(text), "\n### ")[1:]
	if len(sections) < 20 {
		t.Fatalf("docs/operations.md has %d cases: this test finds no more of them", len(sections))
	}
	for _, section := range sections {
		title, _, _ := strings.Cut(section, "\n")
		section, _, _ = strings.Cut(section, "\n## ")
		for _, part := range []string{"Symptom", "Confirm", "Mitigate", "Fix"} {
			if !strings.Contains(section, "**"+part+"**") {
				t.Errorf("%q lacks %s", title, part)
			}
		}
	}
}

// inText is a command in the text; those in blocks are read apart.
var inText = regexp.MustCompile("`([^`]+)`")

// fenced is a block of any language.
var fenced = regexp.MustCompile("(?ms)^ *```.*?^ *```$")

// indented is a command in a block that no test would find.
var indented = regexp.MustCompile("(?m)^ {4}(?:kubectl|envgraft|helm|make|aws|go|docker|eksctl) .*$")

// TestCommandsExist holds each command of envgraft in the documents to
// subcommands and flags that there are, and those of kubectl to its verbs.
func TestCommandsExist(t *testing.T) {
	files, err := documents.Files("../..")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	check := func(place, line string) {
		for _, command := range regexp.MustCompile(`\|\||\||&&|;`).Split(line, -1) {
			if checkCommand(t, place, strings.Fields(command)) {
				checked++
			}
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = fenced.ReplaceAll(text, nil)
		for _, match := range inText.FindAllStringSubmatch(string(text), -1) {
			check(filepath.Base(file), strings.Join(strings.Fields(match[1]), " "))
		}
		for _, line := range indented.FindAllString(string(text), -1) {
			t.Errorf("%s: write the block of %q as ```sh", file, line)
		}
	}
	blocks, err := documents.Read("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks {
		for _, command := range block.Commands {
			check(block.Place(), command)
		}
	}
	if checked < 50 {
		t.Errorf("%d commands were checked: the documents are not read as they are written", checked)
	}
}

// checkCommand returns false for what is no command of either program.
func checkCommand(t *testing.T, file string, words []string) bool {
	t.Helper()
	if len(words) < 2 || words[0] != "envgraft" && words[0] != "kubectl" {
		return false
	}
	if words[0] == "kubectl" && words[1] != "envgraft" {
		verbs := []string{
			"annotate", "apply", "argo", "create", "delete", "describe", "diff", "get", "label", "logs", "patch", "port-forward", "rollout", "scale", "set", "exec",
			"config", "edit", "run", "version", "wait", "cordon", "drain", "debug", "top", "proxy", "auth", "replace",
		}
		verb := words[1]
		for i := 1; strings.HasPrefix(verb, "-") && i+2 < len(words); i += 2 {
			verb = words[i+2] // after a flag and its value
		}
		if !slices.Contains(verbs, verb) {
			t.Errorf("%s: kubectl has no %q: %q", file, verb, words)
		}
		return true
	}
	words = words[slices.Index(words, "envgraft")+1:]
	for i, word := range words {
		words[i] = strings.Trim(word, `'"…`)
	}
	if len(words) == 0 || words[0] == "COMMAND" {
		return false
	}
	root := cli.New(cmdutil.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	command, rest, err := root.Find(words)
	if err != nil || command == root && !strings.HasPrefix(words[0], "-") {
		t.Errorf("%s: envgraft has no command %q: %v", file, words, err)
		return true
	}
	command.InitDefaultHelpFlag()
	if err := command.ParseFlags(rest); err != nil && err != pflag.ErrHelp { //nolint:errorlint // it is never wrapped
		t.Errorf("%s: envgraft %q: %v", file, words, err)
	}
	return true
}
