package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// TestChartIsAccepted has the API server validate every object that the chart
// renders, the webhooks' CEL expressions among them.
func TestChartIsAccepted(t *testing.T) {
	b := start(t)
	files, err := filepath.Glob("../../deploy/testdata/golden/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no renderings: %v", err)
	}
	for _, file := range append(files, "../../deploy/install.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
				b.validate(t, document)
			}
		})
	}
}

// validate asks the API server for a dry run that refuses unknown fields.
func (b *bench) validate(t *testing.T, document []byte) {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(document, &object.Object); err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	if len(object.Object) == 0 {
		return // a comment alone
	}
	// Some are there already, under their own names.
	object.SetName(object.GetName() + "-rendered")
	err := b.client.Create(t.Context(), object, client.DryRunAll, client.FieldValidation("Strict"))
	if meta.IsNoMatchError(err) {
		t.Logf("not validated: this API server has no %s", object.GetKind())
		return
	}
	if err != nil {
		t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}
