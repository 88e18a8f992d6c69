package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/canary"
	"github.com/envgraft/envgraft/test/ssmfake"
)

// TestNoValueLeaves puts canaries into every place that a value can come from
// and looks for them in all that the server says. What it logs under all other
// tests is searched when it stops.
func TestNoValueLeaves(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, optedIn())
	value := canary.Value
	places := map[string]struct {
		parameter string
		fault     ssmfake.Kind
	}{
		"object":         {parameter: canary.Object("object", "DEBUG", "API_KEY")},
		"nested":         {parameter: fmt.Sprintf(`{"DEBUG":{"deep":[%q]}}`, value("nested"))},
		"array":          {parameter: fmt.Sprintf(`[%q]`, value("array"))},
		"json-string":    {parameter: fmt.Sprintf("%q", value("json-string"))},
		"bare":           {parameter: value("bare")},
		"bare-first":     {parameter: value("bare-first") + `{"A":`},
		"cut-off":        {parameter: fmt.Sprintf(`{"DEBUG":%q`, value("cut-off"))},
		"twice":          {parameter: fmt.Sprintf(`{"DEBUG":1,"DEBUG":%q}`, value("twice"))},
		"trailing":       {parameter: fmt.Sprintf(`{"DEBUG":1}%s`, value("trailing"))},
		"not-a-key":      {parameter: fmt.Sprintf(`{"a b/c":%q}`, value("not-a-key"))},
		"empty-key":      {parameter: fmt.Sprintf(`{"":%q}`, value("empty-key"))},
		"newline-in-key": {parameter: fmt.Sprintf(`{"A\nB":%q}`, value("newline-in-key"))},
		"garbled":        {parameter: canary.Object("garbled", "DEBUG"), fault: ssmfake.Malformed},
		"denied":         {parameter: canary.Object("denied", "DEBUG"), fault: ssmfake.Deny},
		"failing":        {parameter: canary.Object("failing", "DEBUG"), fault: ssmfake.Fail},
		"throttled":      {parameter: canary.Object("throttled", "DEBUG"), fault: ssmfake.Throttle},
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			path := "/" + ns + "/" + name + "/stage/app"
			b.ssm.Put(path, place.parameter)
			if place.fault != "" {
				b.ssm.Inject(ssmfake.Fault{Kind: place.fault, Path: path, Times: 10})
			}
			b.create(t, &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name + "-config"},
				Data:       map[string]string{"LOG_LEVEL": value("config-map")},
				BinaryData: map[string][]byte{"RAW": []byte(value("config-map-binary"))},
			})
			p := pod(ns, func(p *corev1.Pod) {
				p.Labels[api.LabelName] = name
				for i := range p.Spec.Containers[0].Env {
					p.Spec.Containers[0].Env[i].Value = value("literal")
				}
			})
			told := b.post(t, api.PodsWebhook, "Pod", p)
			if found := canary.Find(told); len(found) > 0 {
				t.Errorf("the answer tells a value: %q", found)
			}
			// A person's view of the same: the denial, the warnings.
			_, stderr, _ := b.run(t, jsonOf(t, p), "create", "--dry-run=server", "-f", "-")
			if found := canary.Find(stderr); len(found) > 0 {
				t.Errorf("kubectl tells a value: %q", found)
			}
		})
	}
	b.mustNotTell(t)
}

// mustNotTell searches what the server has said so far, outside its answers.
func (b *bench) mustNotTell(t *testing.T) {
	t.Helper()
	if found := canary.Find(b.log.String()); len(found) > 0 {
		t.Errorf("the server's log tells values: %q", found)
	}
	events, _ := b.mustRun(t, "", "get", "events", "-A", "-o", "yaml")
	if found := canary.Find(events); len(found) > 0 {
		t.Errorf("Events tell values: %q", found)
	}
}

// post sends the object in a review, as the API server would, and returns the answer.
func (b *bench) post(t *testing.T, path, kind string, object metav1.Object) string {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"version":"v1","kind":%q},
		"resource":{"group":"","version":"v1","resource":"pods"},"namespace":%q,"operation":"CREATE","object":%s}}`, kind, object.GetNamespace(), jsonOf(t, object))
	response, err := b.http.Post(b.webhooks+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", response.StatusCode, err, answer)
	}
	return string(answer)
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
