package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"golang.org/x/term"
	"sigs.k8s.io/yaml"
)

// The colours, as ANSI numbers.
const (
	bold  = 1
	red   = 31
	green = 32
	cyan  = 36
)

// paint colours for a terminal, unless NO_COLOR (https://no-color.org) is set.
func paint(color int, text string) string {
	if os.Getenv("NO_COLOR") != "" || !term.IsTerminal(int(os.Stdout.Fd())) {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, text)
}

func headingf(format string, arguments ...any) {
	fmt.Printf("\n%s\n\n", paint(bold, fmt.Sprintf(format, arguments...)))
}

// printDiff shows two pods in JSON as a unified diff of their YAML.
func printDiff(before, after []byte) error {
	a, err := yaml.JSONToYAML(before)
	if err != nil {
		return err
	}
	b, err := yaml.JSONToYAML(after)
	if err != nil {
		return err
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(string(a)), B: difflib.SplitLines(string(b)),
		FromFile: "as sent", ToFile: "as admitted", Context: 100,
	})
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		fmt.Print(paintLine(strings.TrimSuffix(line, "\n")), "\n")
	}
	return nil
}

func paintLine(line string) string {
	switch {
	case strings.HasPrefix(line, "@@"), strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		return paint(cyan, line)
	case strings.HasPrefix(line, "+"):
		return paint(green, line)
	case strings.HasPrefix(line, "-"):
		return paint(red, line)
	}
	return line
}

func readYAML(file string, to any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	return nil
}

func sortedKeys(values map[string]string) []string {
	return slices.Sorted(maps.Keys(values))
}
