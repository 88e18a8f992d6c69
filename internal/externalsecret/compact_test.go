package externalsecret_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

// TestCompactBounds holds a little of an ExternalSecret whose author wrote as much
// as the API server takes, wherever they wrote it.
func TestCompactBounds(t *testing.T) {
	long := strings.Repeat("x", 300<<10)
	entries := func(n int, entry string) string { return strings.TrimSuffix(strings.Repeat(entry+",", n), ",") }
	for name, object := range map[string]string{
		"Annotation":  fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, api.Group+"/x", long),
		"Known":       fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, api.AnnotationRevoked, long),
		"Record":      fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, api.AnnotationKeys, `{"parameter":"/a","keys":["`+long+`"]}`),
		"Label":       fmt.Sprintf(`{"metadata":{"labels":{"a":%q}}}`, long),
		"ManyData":    `{"spec":{"data":[` + entries(20000, `{"secretKey":"KEY_OF_SOME_LENGTH","remoteRef":{"key":"/a"}}`) + `]}}`,
		"LongKey":     fmt.Sprintf(`{"spec":{"data":[{"secretKey":%q}]}}`, long),
		"LongRef":     fmt.Sprintf(`{"spec":{"data":[{"secretKey":"A","remoteRef":{"key":%q,"property":%q}}]}}`, long, long),
		"ManySources": `{"spec":{"dataFrom":[` + entries(20000, `{"extract":{"key":"/a/parameter/of/some/length"}}`) + `]}}`,
		"LongSource":  fmt.Sprintf(`{"spec":{"dataFrom":[{"extract":{"key":%q}}]}}`, long),
		"Store":       fmt.Sprintf(`{"spec":{"secretStoreRef":{"kind":%q,"name":%q},"target":{"name":%q},"refreshInterval":%q}}`, long, long, long, long),
		"Conditions":  `{"status":{"conditions":[` + entries(5000, `{"type":"Ready","status":"True","message":"a text"}`) + `]}}`,
		"Message":     fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","message":%q,"reason":%q}],"binding":{"name":%q}}}`, long, long, long),
	} {
		t.Run(name, func(t *testing.T) {
			e := &externalsecret.ExternalSecret{}
			if err := json.Unmarshal([]byte(object), e); err != nil {
				t.Fatal(err)
			}
			for range 2 { // an informer may compact an object twice
				if _, err := externalsecret.Compact(e); err != nil {
					t.Fatal(err)
				}
			}
			held, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			record, err := json.Marshal(e.Record)
			if err != nil {
				t.Fatal(err)
			}
			if size := len(held) + len(record); size > 40<<10 {
				t.Errorf("%d bytes are held of %d", size, len(object))
			}
			if name == "ManyData" && !e.Spec.DataCut {
				t.Error("it looks as if its keys were known")
			}
		})
	}
}
