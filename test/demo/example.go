package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/envresolve"
)

// The objects of examples/fastapi.
const (
	exampleNamespace = "popapps"
	exampleConfigMap = "myapp-config"
	exampleSecret    = "myapp-secrets"
)

// example is the app in examples/fastapi.
type example struct {
	directory  string
	parameters string
}

func newExample(root string) example {
	directory := filepath.Join(root, "examples", "fastapi")
	return example{directory: directory, parameters: filepath.Join(directory, "parameters")}
}

func (e example) file(name string) string { return filepath.Join(e.directory, name) }

// pod returns the example's pod in JSON.
func (e example) pod() ([]byte, error) {
	text, err := os.ReadFile(e.file("pod.yaml"))
	if err != nil {
		return nil, err
	}
	return yaml.YAMLToJSON(text)
}

// expectation says where the process must get a variable from.
type expectation struct {
	name, tier string
	from       envresolve.Source
}

// expectations are the table of the example's README.
func expectations() []expectation {
	secret := func(key string) expectation {
		return expectation{key, "SSM", envresolve.Source{Kind: envresolve.KindSecret, Name: exampleSecret, Key: key}}
	}
	configMap := func(key string) expectation {
		return expectation{key, "ConfigMap", envresolve.Source{Kind: envresolve.KindConfigMap, Name: exampleConfigMap, Key: key}}
	}
	return []expectation{
		secret("API_KEY"), configMap("CACHE_TTL"), secret("DATABASE_URL"),
		secret("DEBUG"), configMap("LOG_LEVEL"), configMap("MAX_WORKERS"),
	}
}

// check computes the environment of the pod's container, and compares.
func (e example) check(patched []byte) error {
	var pod corev1.Pod
	if err := json.Unmarshal(patched, &pod); err != nil {
		return fmt.Errorf("cannot read the patched pod: %w", err)
	}
	if n := len(pod.Spec.Containers); n != 1 {
		return fmt.Errorf("the patched pod has %d containers, want 1", n)
	}
	keys, err := e.keys()
	if err != nil {
		return err
	}
	variables, unknown := envresolve.Compute(pod.Spec.Containers[0], keys)
	var errs []error
	for _, source := range unknown {
		errs = append(errs, fmt.Errorf("the pod refers to %s, which is not the example's", source))
	}
	for _, want := range expectations() {
		errs = append(errs, want.check(variables))
	}
	if extra := len(variables) - len(expectations()); extra > 0 {
		errs = append(errs, fmt.Errorf("the container has %d variables more than the example", extra))
	}
	return errors.Join(errs...)
}

func (want expectation) check(variables []envresolve.Variable) error {
	at := slices.IndexFunc(variables, func(v envresolve.Variable) bool { return v.Name == want.name })
	if at < 0 {
		return fmt.Errorf("%s is missing: want it from %s (%s)", want.name, want.tier, want.from)
	}
	if got := variables[at].From; got != want.from {
		return fmt.Errorf("%s comes from %s: want it from %s (%s)", want.name, got, want.tier, want.from)
	}
	fmt.Printf("  ok  %-12s  %s\n", want.name, want.tier)
	return nil
}

// keys reads what the two objects hold in the example's files.
func (e example) keys() (envresolve.Keys, error) {
	var parameter map[string]string
	if err := readYAML(filepath.Join(e.parameters, exampleNamespace, "myapp", "stage", "app.json"), &parameter); err != nil {
		return nil, err
	}
	var configMap corev1.ConfigMap
	if err := readYAML(e.file("configmap.yaml"), &configMap); err != nil {
		return nil, err
	}
	return func(kind, name string) ([]string, bool) {
		switch {
		case kind == envresolve.KindSecret && name == exampleSecret:
			return sortedKeys(parameter), true
		case kind == envresolve.KindConfigMap && name == exampleConfigMap:
			return sortedKeys(configMap.Data), true
		}
		return nil, false
	}, nil
}
