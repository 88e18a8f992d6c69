package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const head = "apiVersion: config.envgraft.dev/v1alpha1\nkind: Configuration\n"

func parse(t *testing.T, text string) *config.Configuration {
	t.Helper()
	c, err := config.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

func TestParse(t *testing.T) {
	cases := map[string]struct {
		reason string
		file   string
		want   func(*config.Configuration)
	}{
		"Minimal": {
			reason: "A file that sets nothing is the defaults.",
			file:   head,
			want:   func(*config.Configuration) {},
		},
		"DocumentMarker": {
			reason: "A marker at the start does not make a second document.",
			file:   "---\n" + head,
			want:   func(*config.Configuration) {},
		},
		"Nested": {
			reason: "Setting one field of a mapping leaves the others at their defaults.",
			file:   head + "facts:\n  parameterTTL: 2m30s\n  callsPerSecond: 0.5\n",
			want: func(c *config.Configuration) {
				c.Facts.ParameterTTL = 150 * time.Second
				c.Facts.CallsPerSecond = 0.5
			},
		},
		"List": {
			reason: "A list replaces the default list, it is not added to it.",
			file:   head + "skipContainers: [mesh]\nexternalSecrets:\n  overrides: []\n",
			want: func(c *config.Configuration) {
				c.SkipContainers = []string{"mesh"}
				c.ExternalSecrets.Overrides = nil
			},
		},
		"Null": {
			reason: "A field without a value keeps its default, as if it were left out.",
			file:   head + "tenancy:\nserver:\n",
			want:   func(*config.Configuration) {},
		},
		"Inline": {
			reason: "The settings of an ExternalSecret stand beside enabled and allowedStores.",
			file:   head + "externalSecrets: {enabled: false, refreshInterval: 1h, secretStore: {name: other}, allowedStores: [third]}\n",
			want: func(c *config.Configuration) {
				c.ExternalSecrets.Enabled = false
				c.ExternalSecrets.RefreshInterval = time.Hour
				c.ExternalSecrets.SecretStore.Name = "other"
				c.ExternalSecrets.AllowedStores = []string{"third"}
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			want := config.Default()
			tc.want(want)
			if diff := cmp.Diff(want, parse(t, tc.file), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\nParse(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestMistakes compares each testdata/NAME.yaml's errors with NAME.txt.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			c, err := config.Load(file)
			if err == nil {
				err = c.Validate(config.ModeCluster)
			}
			if err == nil {
				t.Fatal("no error")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run go test ./internal/config -update)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want, +got:\n%s", file, diff)
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := config.Load("testdata/none.yaml")
	want := "cannot read configuration: open testdata/none.yaml: no such file or directory"
	if err == nil || err.Error() != want {
		t.Errorf("Load: %v, want %s", err, want)
	}
}

func TestValidateMode(t *testing.T) {
	local := config.Default()
	if err := local.Validate(config.ModeLocal); err != nil {
		t.Errorf("the defaults are invalid: %v", err)
	}
	if local.Environment != "stage" {
		t.Errorf("environment is %q in ModeLocal, want stage", local.Environment)
	}
	cluster := config.Default()
	if err := cluster.Validate(config.ModeCluster); err == nil || !strings.HasPrefix(err.Error(), "environment: Required value") {
		t.Errorf("ModeCluster without an environment: %v, want an error that requires it", err)
	}
	if cluster.Environment != "" {
		t.Errorf("environment is %q in ModeCluster, want none: it must not be guessed", cluster.Environment)
	}
}

func TestEngine(t *testing.T) {
	c := parse(t, head+`
environment: dev
tenancy: {mode: open, requireSystemLabel: true}
excludedNamespaces: [kube-system]
names: {secret: "s-{app}"}
skipContainers: [mesh]
missingParameter: deny
invalidParameter: warn
unknownParameter: deny
reload: {enabled: false}
externalSecrets:
  allowedStores: [shared, aws-ssm]
  minRefreshInterval: 30s
  stores:
    - {kind: ClusterSecretStore, name: shared, environments: [sandbox], namespaces: [popapps]}
  overrides:
    - {environment: prod, secretStore: {name: aws-prod}}
    - {environment: test, secretStore: {kind: SecretStore, name: own}}
    - {environment: qa, refreshInterval: 1m}
`)
	names := identity.DefaultNames()
	names.Secret = "s-{app}"
	want := graft.Config{
		Rules: identity.Rules{
			Tenancy: identity.TenancyOpen, RequireSystemLabel: true, Environment: "dev", Names: names,
			KnownEnvironments: []string{"dev", "prod", "qa", "sandbox", "test"},
		},
		MissingParameter: graft.MissingDeny,
		InvalidParameter: graft.InvalidWarn,
		UnknownParameter: graft.UnknownDeny,
		SkipContainers:   []string{"mesh"},
		// SecretStore own is no ClusterSecretStore.
		ClusterStores:      []string{"aws-prod", "aws-ssm", "shared"},
		ExcludedNamespaces: []string{"kube-system"},
		Store:              graft.Store{Kind: "ClusterSecretStore", Name: "aws-ssm"},
		EnvironmentStores: map[string]graft.Store{
			"prod": {Kind: "ClusterSecretStore", Name: "aws-prod"},
			"test": {Kind: "SecretStore", Name: "own"},
			"qa":   {Kind: "ClusterSecretStore", Name: "aws-ssm"},
		},
		StoreRules: []graft.StoreRule{
			{Store: graft.Store{Kind: "ClusterSecretStore", Name: "shared"}, Environments: []string{"sandbox"}, Namespaces: []string{"popapps"}},
			// Only prod has it, so only prod may.
			{Store: graft.Store{Kind: "ClusterSecretStore", Name: "aws-prod"}, Environments: []string{"prod"}},
		},
		MinRefreshInterval: 30 * time.Second,
		Reload:             false,
		RolloutStrategy:    "restart",
	}
	if diff := cmp.Diff(want, c.Engine()); diff != "" {
		t.Errorf("Engine(): -want, +got:\n%s", diff)
	}
}

func TestExternalSecretFor(t *testing.T) {
	c := parse(t, head+`
externalSecrets:
  refreshInterval: 1h
  secretStore: {name: base}
  overrides:
    - {environment: prod, deletionPolicy: Retain}
    - {environment: dev, refreshInterval: 10s, secretStore: {kind: SecretStore}}
`)
	store := func(kind, name string) config.SecretStore { return config.SecretStore{Kind: kind, Name: name} }
	cases := map[string]struct {
		reason string
		want   config.ExternalSecretSettings
	}{
		"stage": {"No override: the settings of all.", config.ExternalSecretSettings{
			RefreshInterval: time.Hour, DeletionPolicy: "Delete", SecretStore: store("ClusterSecretStore", "base"),
		}},
		"prod": {"Only the policy differs.", config.ExternalSecretSettings{
			RefreshInterval: time.Hour, DeletionPolicy: "Retain", SecretStore: store("ClusterSecretStore", "base"),
		}},
		"dev": {"A store's name may be inherited while its kind is not.", config.ExternalSecretSettings{
			RefreshInterval: 10 * time.Second, DeletionPolicy: "Delete", SecretStore: store("SecretStore", "base"),
		}},
	}
	for environment, tc := range cases {
		t.Run(environment, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, c.ExternalSecretFor(environment)); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// FuzzParse holds Parse to never panicking, and what it accepts to surviving
// being written and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "environment: stage\n"))
	f.Add([]byte(head + "environment: prod\nexternalSecrets: {overrides: [{environment: qa, refreshInterval: 10s}]}\n"))
	f.Add([]byte(head + "environment: a\nskipContainers: []\nfacts: {callsPerSecond: 1e-3}\n"))
	files, _ := filepath.Glob("testdata/mistakes/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(data)
		if err != nil || c.Validate(config.ModeCluster) != nil {
			return
		}
		written, err := yaml.Marshal(c)
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		again, err := config.Parse(written)
		if err != nil {
			t.Fatalf("Parse of what Marshal wrote: %v\n%s", err, written)
		}
		if diff := cmp.Diff(c, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("written and read again: -before, +after:\n%s", diff)
		}
	})
}
