package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandsNameKubectlFlagsOnce keeps the page of commands short: the flags of
// kubectl stand in one section, whose flags every command really has.
func TestCommandsNameKubectlFlagsOnce(t *testing.T) {
	text := commands()
	for _, flag := range []string{"--as-group ", "--kubeconfig ", "--insecure-skip-tls-verify "} {
		if n := strings.Count(text, flag); n != 1 {
			t.Errorf("%s stands %d times in the page of commands, want once", flag, n)
		}
	}
	if !strings.Contains(text, "--aws ") {
		t.Error("the page of commands lacks doctor's own flags")
	}
}

// TestSettableKeysHaveValues refuses a label or an annotation that people set
// without its accepted values and its default.
func TestSettableKeysHaveValues(t *testing.T) {
	tests := map[string]struct {
		reason, source string
		want           error
	}{
		"Complete":  {"both are there", "// K switches.\n\t// Accepts: `on`. Default: off.", nil},
		"NoValues":  {"a key without accepted values", "// K switches. Default: off.", errNoValues},
		"NoDefault": {"a key without default", "// K switches. Accepts: `on`.", errNoValues},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "keys.go")
			source := "package api\n\nconst Group = \"envgraft.dev\"\n\n// Labels that people set.\nconst (\n\t" + tc.source + "\n\tK = Group + \"/k\"\n)\n"
			if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
				t.Fatal(err)
			}
			text, err := annotations(file)
			if !errors.Is(err, tc.want) {
				t.Fatalf("%s: error %v, want %v", tc.reason, err, tc.want)
			}
			if tc.want == nil && !strings.Contains(text, "| `envgraft.dev/k` | `k` switches. | `on` | off |") {
				t.Errorf("%s: %s", tc.reason, text)
			}
		})
	}
}
