package facts

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/graft"
)

// decisions reads testdata/awsprovider.txt: what each field of a store's AWS
// provider means, by its path.
func decisions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/awsprovider.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if path, decision, is := strings.Cut(strings.TrimSpace(line), " "); is && path != "#" {
			all[path] = decision
		}
	}
	return all
}

// schema is the part of an OpenAPI schema that has fields.
type schema struct {
	Type       string
	Properties map[string]schema
	Items      *schema
	Enum       []string
}

// fields returns the paths of all fields, but none below those that .* stands for.
func (s schema) fields(at string, decided map[string]string) []string {
	if _, all := decided[at+".*"]; all {
		return []string{at + ".*"}
	}
	switch {
	case len(s.Properties) > 0:
		var paths []string
		for name, child := range s.Properties {
			paths = append(paths, child.fields(strings.TrimPrefix(at+"."+name, "."), decided)...)
		}
		return paths
	case s.Items != nil:
		return s.Items.fields(at+"[]", decided)
	}
	return []string{at}
}

// storeSchemas returns the AWS providers of the CRDs in a folder, by kind and version.
func storeSchemas(t *testing.T, dir string) map[string]schema {
	t.Helper()
	all := map[string]schema{}
	for _, plural := range []string{"clustersecretstores", "secretstores"} {
		data, err := os.ReadFile(filepath.Join(dir, "external-secrets.io_"+plural+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			Spec struct {
				Versions []struct {
					Name   string
					Schema struct{ OpenAPIV3Schema schema }
				}
			}
		}
		if err := yaml.Unmarshal(data, &crd); err != nil {
			t.Fatal(err)
		}
		for _, version := range crd.Spec.Versions {
			all[plural+" "+version.Name] = version.Schema.OpenAPIV3Schema.Properties["spec"].Properties["provider"].Properties["aws"]
		}
	}
	return all
}

// TestStoreSchema walks the CRDs of ESO, and fails on a field that nobody decided
// about: it may have ESO read another parameter than the webhook does.
func TestStoreSchema(t *testing.T) {
	decided := decisions(t)
	seen := map[string]bool{}
	for name, dir := range map[string]func(*testing.T) string{"v0.19.2": moduleCRDs, "newest": newestCRDs} {
		t.Run(name, func(t *testing.T) {
			for version, s := range storeSchemas(t, dir(t)) {
				fields := s.fields("", decided)
				if len(fields) < 10 {
					t.Errorf("%s: only %d fields were found", version, len(fields))
				}
				for _, field := range fields {
					seen[field] = true
					if decided[field] == "" {
						t.Errorf("%s: nobody decided about spec.provider.aws.%s: add it to AWSProvider and to testdata/awsprovider.txt", version, field)
					}
				}
			}
		})
	}
	if os.Getenv("ESO_NEWEST_CRDS") == "" {
		return
	}
	for field := range decided {
		if !seen[field] {
			t.Errorf("testdata/awsprovider.txt has %s, which is in no CRD", field)
		}
	}
}

func moduleCRDs(t *testing.T) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/external-secrets/external-secrets@v0.19.2")
	command.Dir = t.TempDir()
	output, err := command.Output()
	if err != nil {
		t.Skipf("the CRDs of v0.19.2 cannot be had here: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(output, &module); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(module.Dir, "config", "crds", "bases")
}

func newestCRDs(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ESO_NEWEST_CRDS")
	if dir == "" {
		t.Skip("ESO_NEWEST_CRDS names no folder with the CRDs of the newest ESO")
	}
	return dir
}

// TestStoreDecisions holds AccessTo to what testdata/awsprovider.txt says of each field.
func TestStoreDecisions(t *testing.T) {
	stores := Stores{Region: "eu-central-1", SameAccount: func(graft.Store) bool { return false }}
	store := graft.Store{Kind: graft.KindClusterSecretStore, Name: "some"}
	access := func(t *testing.T, provider string) StoreAccess {
		t.Helper()
		var p StoreProvider
		if err := json.Unmarshal([]byte(`{"aws":{`+provider+`}}`), &p); err != nil {
			t.Fatalf("%s: %v", provider, err)
		}
		return stores.AccessTo(store, p)
	}
	const role = `"service":"ParameterStore","region":"us-east-1","role":"arn:aws:iam::111122223333:role/eso"`
	const noRole = `"service":"ParameterStore","region":"us-east-1"`
	for field, decision := range decisions(t) {
		got, plain := access(t, role+","+valueOf(field)), access(t, role)
		switch decision {
		case "unfollowed":
			if got.Unchecked == "" {
				t.Errorf("%s is followed: %+v", field, got)
			}
		case "own":
			if got := access(t, noRole+","+valueOf(field)); got.Unchecked == "" {
				t.Errorf("%s: credentials of its own are taken for the webhook's account's: %+v", field, got)
			}
		case "ignored":
			if got != plain {
				t.Errorf("%s makes a difference: %+v", field, got)
			}
		case "read":
			if got == plain {
				t.Errorf("%s makes no difference: %+v", field, got)
			}
		default:
			t.Errorf("%s: %q is no decision", field, decision)
		}
	}
}

// valueOf makes JSON of a path, with a value that no other has.
func valueOf(path string) string {
	names := strings.Split(strings.TrimSuffix(path, ".*"), ".")
	value := `"eu-west-3"`
	if strings.HasSuffix(path, ".*") {
		value = "{}"
	}
	slices.Reverse(names)
	for i, name := range names {
		if plain, list := strings.CutSuffix(name, "[]"); list {
			name, value = plain, "["+value+"]"
		}
		value = fmt.Sprintf("%q:%s", name, value)
		if i < len(names)-1 {
			value = "{" + value + "}"
		}
	}
	return value
}
