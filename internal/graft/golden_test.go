package graft_test

import (
	"encoding/json"
	"flag"
	"testing"
	"time"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/test/golden"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// scenario is a file testdata/NAME.yaml; testdata/NAME.golden.yaml holds what
// comes of it.
type scenario struct {
	Reason    string             `json:"reason"`
	Config    *scenarioConfig    `json:"config"`
	Namespace identity.Namespace `json:"namespace"`
	Facts     graft.Facts        `json:"facts"`
	Pod       json.RawMessage    `json:"pod"`
}

type scenarioConfig struct {
	MissingParameter graft.MissingPolicy `json:"missingParameter"`
	InvalidParameter graft.InvalidPolicy `json:"invalidParameter"`
	UnknownParameter graft.UnknownPolicy `json:"unknownParameter"`
}

type outcome struct {
	Report     graft.Report    `json:"report"`
	Operations json.RawMessage `json:"operations"`
	Pod        json.RawMessage `json:"pod"`
}

func testConfig() graft.Config {
	return graft.Config{
		Rules:              identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "stage", KnownEnvironments: []string{"prod"}, Names: identity.DefaultNames()},
		MissingParameter:   graft.MissingWait,
		InvalidParameter:   graft.InvalidDeny,
		SkipContainers:     []string{"istio-proxy", "istio-init"},
		ClusterStores:      []string{"aws-ssm", "aws-prod", "aws-shop"},
		ExcludedNamespaces: []string{"kube-system"},
		Store:              graft.Store{Kind: graft.KindClusterSecretStore, Name: "aws-ssm"},
		StoreRules: []graft.StoreRule{
			{Store: graft.Store{Kind: graft.KindClusterSecretStore, Name: "aws-prod"}, Environments: []string{"prod"}},
			{Store: graft.Store{Kind: graft.KindClusterSecretStore, Name: "aws-shop"}, Namespaces: []string{"shop"}},
		},
		MinRefreshInterval: time.Minute,
		Reload:             true,
	}
}

func TestGolden(t *testing.T) {
	golden.Run(t, *update, func(t *testing.T, s scenario) (string, any) {
		t.Helper()
		config := testConfig()
		if s.Config != nil {
			config.MissingParameter, config.InvalidParameter, config.UnknownParameter = s.Config.MissingParameter, s.Config.InvalidParameter, s.Config.UnknownParameter
		}
		engine := graft.New(config)
		result := engine.Inspect(s.Namespace, s.Pod).Graft(s.Facts)
		operations, patched := golden.Apply(t, s.Pod, result.Operations)
		if again := engine.Inspect(s.Namespace, patched).Graft(s.Facts); len(again.Operations) > 0 {
			t.Errorf("a second run changes the pod again: %v", again.Operations)
		}
		return s.Reason, outcome{Report: result.Report, Operations: operations, Pod: patched}
	})
}
