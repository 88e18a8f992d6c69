package deploy_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestVersion holds chart, changelog and documents to the version in VERSION.
func TestVersion(t *testing.T) {
	version := strings.TrimSpace(read(t, "../VERSION"))
	var chart struct{ Version, AppVersion string }
	if err := yaml.Unmarshal([]byte(read(t, "chart/Chart.yaml")), &chart); err != nil {
		t.Fatal(err)
	}
	if chart.Version != version || chart.AppVersion != "v"+version {
		t.Errorf("chart/Chart.yaml: version is %s and appVersion %s, VERSION says %s", chart.Version, chart.AppVersion, version)
	}
	for file, want := range map[string]string{
		"../CHANGELOG.md":     "\n## [" + version + "]",
		"../SECURITY.md":      "envgraft:v" + version,
		"install-values.yaml": "tag: v" + version,
	} {
		if !strings.Contains(read(t, file), want) {
			t.Errorf("%s does not say %q: VERSION has changed", file, want)
		}
	}
}
