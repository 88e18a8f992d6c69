package integration

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/test/rights"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestRights shows reviewers what an installation may do, in the cluster and in
// its own namespace, as the API server itself says it.
func TestRights(t *testing.T) {
	start(t) // with the kubeconfig of one that has them
	for _, namespace := range []string{"default", rights.Namespace} {
		kubectl := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"),
			"auth", "can-i", "--list", "--namespace", namespace) //nolint:gosec // the assets are the caller's
		out, err := kubectl.Output()
		if err != nil {
			t.Fatalf("%v: %v", kubectl, err)
		}
		got := tidy(string(out))
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
			t.Errorf("kubectl auth can-i --list -n %s --as %s: -%s, +now (go test ./test/integration -run TestRights -update):\n%s", namespace, rights.User, file, diff)
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
