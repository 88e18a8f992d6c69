//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runbook is the file whose commands are tried.
const runbook = "docs/operations.md"

// documented runs a command that the runbook holds word for word, with names in the place of its placeholders, as a person does who has
// kubectl, helm and envgraft on the PATH. It returns what it printed.
func (b *bench) documented(t *testing.T, command string, names ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.root, runbook))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), command) {
		t.Fatalf("%s does not have the command %q", runbook, command)
	}
	return b.run(t, 2*commandTimeout, "env", "PATH="+b.path(t), "sh", "-c", strings.NewReplacer(names...).Replace(command))
}

// path is a PATH with the tools that a user has.
func (b *bench) path(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	helm := fmt.Sprintf("#!/bin/sh\nexec go tool -modfile='%s/test/tools/helm.mod' helm \"$@\"\n", b.root)
	if err := os.WriteFile(filepath.Join(dir, "helm"), []byte(helm), 0o700); err != nil {
		t.Fatal(err)
	}
	if filepath.IsAbs(b.kubectlBin) {
		if err := os.Symlink(b.kubectlBin, filepath.Join(dir, "kubectl")); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join([]string{dir, filepath.Dir(b.program), os.Getenv("PATH")}, string(os.PathListSeparator))
}
