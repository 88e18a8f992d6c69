package integration

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/test/rights"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestRights shows reviewers what an installation may do, in the cluster and in
// its own namespace, as the API server itself says it.
func TestRights(t *testing.T) {
	b := start(t)
	server := filepath.Join(b.env.WebhookInstallOptions.LocalServingCertDir, "server")
	for _, namespace := range []string{"default", rights.Namespace} {
		out, _ := b.mustRun(t, "", "--kubeconfig", server, "auth", "can-i", "--list", "--namespace", namespace)
		got := tidy(out)
		file := filepath.Join("testdata", "can-i", namespace+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("kubectl auth can-i --list -n %s --as %s: -%s, +now (go test ./test/integration -run TestRights -update):\n%s", namespace, rights.User().Name, file, diff)
		}
	}
}

// tidy leaves out the paths that everybody may read, and how wide columns are.
func tidy(list string) string {
	spaces := regexp.MustCompile(` {2,}`)
	var kept strings.Builder
	for line := range strings.Lines(list) {
		if strings.HasPrefix(line, " ") {
			continue
		}
		kept.WriteString(strings.TrimRight(spaces.ReplaceAllString(line, "  "), " \n") + "\n")
	}
	return kept.String()
}
