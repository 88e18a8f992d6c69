package deploy_test

import (
	"regexp"
	"testing"
)

// TestValuesAreDescribed holds every value to a description in the chart's
// README, which make generate writes from the comments of values.yaml.
func TestValuesAreDescribed(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| (\S+) \| \w+ \| .* \| (.*) \|$`).FindAllStringSubmatch(read(t, "chart/README.md"), -1)
	if len(rows) < 30 {
		t.Fatalf("%d values in chart/README.md: run make generate", len(rows))
	}
	for _, row := range rows {
		if row[2] == "" {
			t.Errorf("value %s has no comment of the form \"# -- …\" in chart/values.yaml", row[1])
		}
	}
}
