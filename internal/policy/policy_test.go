package policy_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/policy"
)

func engine(t *testing.T, change func(*config.Configuration)) graft.Config {
	t.Helper()
	c := config.Default()
	if change != nil {
		change(c)
	}
	if err := c.Validate(config.ModeLocal); err != nil {
		t.Fatal(err)
	}
	return c.Engine()
}

// TestDeployed holds deploy/policy.yaml to what is written for the defaults.
func TestDeployed(t *testing.T) {
	var got bytes.Buffer
	err := policy.Write(&got, policy.Options{Name: "envgraft", Engine: engine(t, nil), ExcludedNamespaces: []string{"envgraft-system"}})
	if err != nil {
		t.Fatal(err)
	}
	deployed, err := os.ReadFile("../../deploy/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(string(deployed), "\n")
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("deploy/policy.yaml is not current: run make generate: -deployed, +written:\n%s", diff)
	}
}

// TestLegible holds that what is written reads as the objects that it is.
func TestLegible(t *testing.T) {
	options := policy.Options{Name: "x", Engine: engine(t, nil)}
	var text bytes.Buffer
	if err := policy.Write(&text, options); err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(text.String(), "\n---\n")
	objects := options.Objects()
	if len(documents) != len(objects) {
		t.Fatalf("%d documents, want %d", len(documents), len(objects))
	}
	got := &admissionv1.MutatingAdmissionPolicy{}
	if err := yaml.UnmarshalStrict([]byte(documents[0]), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(objects[0], any(got)); diff != "" {
		t.Errorf("-object, +read:\n%s", diff)
	}
}

// TestQuoted holds that text of the configuration stays text in CEL.
func TestQuoted(t *testing.T) {
	options := policy.Options{Name: "x", Engine: engine(t, nil)}
	options.Engine.SkipContainers = []string{`a' || true || '`, `b\`, "c\"\n"}
	mutating, ok := options.Objects()[0].(*admissionv1.MutatingAdmissionPolicy)
	if !ok {
		t.Fatal("the first object is no MutatingAdmissionPolicy")
	}
	want := `['a\' || true || \'', 'b\\', 'c"\n']`
	for _, v := range mutating.Spec.Variables {
		if strings.Contains(v.Expression, want) {
			return
		}
	}
	t.Errorf("no variable holds %s", want)
}

// TestFollowsConfiguration holds that settings of the cluster reach the policy.
func TestFollowsConfiguration(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		change func(*config.Configuration)
		want   string
	}{
		"Environment":    {"", func(c *config.Configuration) { c.Environment = "qa" }, "'qa'"},
		"Template":       {"", func(c *config.Configuration) { c.Names.Secret = "s-{app}" }, "'s-' + variables.app"},
		"Excluded":       {"", func(c *config.Configuration) { c.ExcludedNamespaces = []string{"mesh"} }, "- mesh"},
		"SystemLabel":    {"a namespace must not take a system by its name", func(c *config.Configuration) { c.Tenancy.RequireSystemLabel = true }, "has no label envgraft.dev/system"},
		"RefreshMinimum": {"", func(c *config.Configuration) { c.ExternalSecrets.MinRefreshInterval = 7e9 }, "duration('7s')"},
	} {
		t.Run(name, func(t *testing.T) {
			for want, change := range map[bool]func(*config.Configuration){true: tc.change, false: nil} {
				var text bytes.Buffer
				if err := policy.Write(&text, policy.Options{Name: "x", Engine: engine(t, change)}); err != nil {
					t.Fatal(err)
				}
				if got := strings.Contains(text.String(), tc.want); got != want {
					t.Errorf("%s: %q is there: %t, want %t", tc.reason, tc.want, got, want)
				}
			}
		})
	}
}
