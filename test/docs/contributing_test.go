package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestContributingNamesFolders compares the tables of CONTRIBUTING.md with the
// folders that there are: a new package needs its sentence, a removed one loses it.
func TestContributingNamesFolders(t *testing.T) {
	t.Chdir("../..")
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\| (.+) \\|$").FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			if !strings.Contains(name[1], " ") { // a command
				named = append(named, name[1])
			}
		}
	}
	slices.Sort(named)
	if diff := cmp.Diff(folders(t), named); diff != "" {
		t.Errorf("-folders, +CONTRIBUTING.md:\n%s", diff)
	}
}

// folders are those of one level, and of two where the first only groups.
func folders(t *testing.T) []string {
	t.Helper()
	files, err := exec.CommandContext(t.Context(), "git", "ls-files").Output()
	if err != nil {
		t.Fatalf("cannot list the files: %v", err)
	}
	var all []string
	for file := range strings.Lines(string(files)) {
		parts := strings.Split(strings.TrimSpace(file), "/")
		depth := 1
		if slices.Contains([]string{"cmd", "internal", "test"}, parts[0]) {
			depth = 2
		}
		if len(parts) == 1 || strings.HasPrefix(file, ".") {
			continue
		}
		all = append(all, strings.Join(parts[:depth], "/"))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
